/** @file The desktop app's process: one instance, one window, one service that goes on while anything trains. */
import { app, Menu } from 'electron';
import type { BrowserWindow } from 'electron';
import { join } from 'node:path';
import { openHome } from '../../service/place.ts';
import { createService } from '../../service/service.ts';
import { installation, surroundingsOf } from '../surroundings.ts';
import { utilityProcesses } from './processes.ts';
import { guardSession, openWindow, registerScheme } from './window.ts';

const here = import.meta.dirname, root = installation(here);
let window: BrowserWindow | undefined;

registerScheme();
if (!app.requestSingleInstanceLock()) app.quit();
else {
  const running = createService({ home: openHome(), processes: utilityProcesses(join(here, 'engine.js')), surroundings: surroundingsOf(here, true) });
  const show = (): void => {
    if (window && !window.isDestroyed()) { if (window.isMinimized()) window.restore(); window.focus(); return; }
    window = openWindow(running.api, join(root, 'out', 'preload', 'preload.cjs'), process.env['ELECTRON_RENDERER_URL']);
  };
  let leaving = false;
  app.on('second-instance', show);
  app.on('activate', show);
  // A run outlives its window: the app stays until it is done, and opening it again shows it.
  app.on('window-all-closed', () => {
    if (running.busy() === 0) { app.quit(); return; }
    const timer = setInterval(() => {
      if (window && !window.isDestroyed()) clearInterval(timer);
      else if (running.busy() === 0) { clearInterval(timer); app.quit(); }
    }, 1000);
  });
  // Quitting asks what trains to stop and save first.
  app.on('before-quit', (event) => {
    if (leaving || running.busy() === 0) return;
    event.preventDefault();
    leaving = true;
    void running.close().finally(() => { app.quit(); });
  });
  void app.whenReady().then(() => {
    if (process.env['ELECTRON_RENDERER_URL'] === undefined) guardSession(join(root, 'out', 'renderer'));
    Menu.setApplicationMenu(Menu.buildFromTemplate([
      ...(process.platform === 'darwin' ? [{ role: 'appMenu' as const }] : [{ label: 'File', submenu: [{ role: 'quit' as const }] }]),
      { role: 'editMenu' }, { label: 'View', submenu: [{ role: 'reload' }, { role: 'resetZoom' }, { role: 'zoomIn' }, { role: 'zoomOut' }, { role: 'togglefullscreen' }] }, { role: 'windowMenu' },
    ]));
    show();
  });
}
