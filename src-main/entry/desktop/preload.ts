/**
 * @file Gives the page its port to the service, the paths of dropped files, and the system's file dialog; no other part
 * of Electron.
 */
import { contextBridge, ipcRenderer, webUtils } from 'electron';

contextBridge.exposeInMainWorld('cambium', {
  desktop: true,
  pathOf: (file: File): string => webUtils.getPathForFile(file),
  choosePath: (kind: string, title: string, start?: string): Promise<unknown> =>
    ipcRenderer.invoke('cambium:choose-path', { kind, title, start }),
});
ipcRenderer.on('cambium:port', (event) => {
  window.postMessage('cambium:port', '*', event.ports as unknown as MessagePort[]);
});
