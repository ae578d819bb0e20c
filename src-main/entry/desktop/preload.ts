/**
 * @file Hands the page its port, and the path of what is dropped on it; nothing else of Electron reaches the
 * page.
 */
import { contextBridge, ipcRenderer, webUtils } from 'electron';

contextBridge.exposeInMainWorld('cambium', {
  desktop: true,
  pathOf: (file: File): string => webUtils.getPathForFile(file),
});
ipcRenderer.on('cambium:port', (event) => {
  window.postMessage('cambium:port', '*', event.ports as unknown as MessagePort[]);
});
