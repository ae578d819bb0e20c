/** @file Gives the page its port to the service, and the paths of dropped files; no other part of Electron. */
import { contextBridge, ipcRenderer, webUtils } from 'electron';

contextBridge.exposeInMainWorld('cambium', {
  desktop: true,
  pathOf: (file: File): string => webUtils.getPathForFile(file),
});
ipcRenderer.on('cambium:port', (event) => {
  window.postMessage('cambium:port', '*', event.ports as unknown as MessagePort[]);
});
