/**
 * @file The desktop app's process: one instance, one window, one service that goes on while anything trains.
 */
import { app, Menu } from 'electron';
import type { BrowserWindow } from 'electron';
import { join } from 'node:path';
import { openHome } from '../../service/dependencies.ts';
import { createService } from '../../service/service.ts';
import { installation, surroundingsOf } from '../environment.ts';
import { tunnelsBy } from '../tunnel.ts';
import { watchFromOutside } from './attention.ts';
import { openedPath, routeOfPath } from './opened.ts';
import { utilityProcesses } from './processes.ts';
import { keyStore } from './secrets.ts';
import { offerUpdate } from './updates.ts';
import { guardSession, openWindow, registerScheme, showRoute } from './window.ts';

const here = import.meta.dirname;
const root = installation(here);
const surroundings = surroundingsOf(here, true);
let window: BrowserWindow | undefined;

registerScheme();
if (!app.requestSingleInstanceLock()) app.quit();
else {
  const home = openHome();
  const running = createService({
    home,
    secrets: keyStore(join(home.dir, 'secrets')),
    processes: utilityProcesses(join(here, 'engine.js')),
    surroundings,
    tunnel: tunnelsBy('ssh', surroundings.version),
  });
  const show = (route?: string): void => {
    if (window && !window.isDestroyed()) {
      if (window.isMinimized()) window.restore();
      window.focus();
      if (route !== undefined) showRoute(window, route);
    } else
      window = openWindow(running.api, join(root, 'out', 'preload', 'preload.cjs'), {
        route,
        address: process.env['ELECTRON_RENDERER_URL'],
      });
  };
  const routeIn = (commandLine: readonly string[], from?: string): string | undefined => {
    const path = openedPath(commandLine, root, from);
    return path === undefined ? undefined : routeOfPath(path);
  };
  let leaving = false;
  let first = routeIn(process.argv);
  app.on('second-instance', (_event, commandLine, from) => {
    show(routeIn(commandLine, from));
  });
  app.on('activate', () => {
    show();
  });
  // macOS hands over what is dropped on the icon, even before the app is ready.
  app.on('open-file', (event, path) => {
    event.preventDefault();
    if (app.isReady()) show(routeOfPath(path));
    else first = routeOfPath(path);
  });
  // A run outlives its window: the app stays until it is done, and opening it again shows it.
  app.on('window-all-closed', () => {
    if (running.busy() === 0) {
      app.quit();
      return;
    }
    const timer = setInterval(() => {
      if (window && !window.isDestroyed()) clearInterval(timer);
      else if (running.busy() === 0) {
        clearInterval(timer);
        app.quit();
      }
    }, 1000);
  });
  // Quitting asks what trains to stop and save first.
  app.on('before-quit', (event) => {
    if (leaving || running.busy() === 0) return;
    event.preventDefault();
    leaving = true;
    void running.close().finally(() => {
      app.quit();
    });
  });
  void app.whenReady().then(() => {
    if (process.env['ELECTRON_RENDERER_URL'] === undefined) guardSession(join(root, 'out', 'renderer'));
    Menu.setApplicationMenu(
      Menu.buildFromTemplate([
        ...(process.platform === 'darwin'
          ? [{ role: 'appMenu' as const }]
          : [{ label: 'File', submenu: [{ role: 'quit' as const }] }]),
        { role: 'editMenu' },
        {
          label: 'View',
          submenu: [
            { role: 'reload' },
            { role: 'resetZoom' },
            { role: 'zoomIn' },
            { role: 'zoomOut' },
            { role: 'togglefullscreen' },
          ],
        },
        { role: 'windowMenu' },
        {
          role: 'help',
          submenu: [
            {
              label: 'Look for Updates…',
              click: () => {
                void offerUpdate(false);
              },
            },
          ],
        },
      ]),
    );
    show(first);
    void watchFromOutside(running.api, () => window, show);
    void offerUpdate(true);
  });
}
