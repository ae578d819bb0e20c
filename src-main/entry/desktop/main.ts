/** @file The process of the desktop app: one instance, one window, and a service that outlives the window. */
import { app } from 'electron';
import type { BrowserWindow } from 'electron';
import { join } from 'node:path';
import { openHome } from '../../service/dependencies.ts';
import { createService } from '../../service/service.ts';
import { detectEnvironment, findInstallation } from '../environment.ts';
import { createTunnelOpener } from '../tunnel.ts';
import { offerFileDialog } from './file-dialog.ts';
import { keepAwake } from './keep-awake.ts';
import { setMenu } from './menu.ts';
import { showNotifications } from './notifications.ts';
import { findPathArgument, routeOfPath } from './open-path.ts';
import { createUtilityProcesses } from './processes.ts';
import { handleQuit } from './quit.ts';
import { createKeyStore } from './secrets.ts';
import { offerUpdate } from './updates.ts';
import { guardSession, openWindow, registerScheme, showRoute } from './window.ts';

const here = import.meta.dirname;
const root = findInstallation(here);
const environment = detectEnvironment(here, true);
/** The address of the development server, if there is one. An installed app shows no other page than its own. */
const developmentAddress = app.isPackaged ? undefined : process.env['ELECTRON_RENDERER_URL'];

registerScheme();
if (app.requestSingleInstanceLock()) startApp();
else app.quit();

function startApp(): void {
  const home = openHome();
  const service = createService({
    home,
    secrets: createKeyStore(join(home.dir, 'secrets')),
    processes: createUtilityProcesses(join(here, 'engine.js')),
    environment,
    tunnel: createTunnelOpener('ssh', environment.version),
  });
  service.startQueue();
  let window: BrowserWindow | undefined;
  const hasWindow = (): boolean => window?.isDestroyed() === false;

  const show = (route?: string): void => {
    if (!window || window.isDestroyed()) {
      const preload = join(root, 'out', 'preload', 'preload.cjs');
      window = openWindow(service.api, preload, { route, address: developmentAddress });
      return;
    }
    if (window.isMinimized()) window.restore();
    window.focus();
    if (route !== undefined) showRoute(window, route);
  };
  const routeIn = (commandLine: readonly string[], workingDirectory?: string): string | undefined => {
    const path = findPathArgument(commandLine, root, workingDirectory);
    return path === undefined ? undefined : routeOfPath(path);
  };

  let firstRoute = routeIn(process.argv);
  app.on('second-instance', (_event, commandLine, workingDirectory) => {
    show(routeIn(commandLine, workingDirectory));
  });
  app.on('activate', () => {
    show();
  });
  // macOS sends this for a file that is dropped on the icon, even before the app is ready.
  app.on('open-file', (event, path) => {
    event.preventDefault();
    if (app.isReady()) show(routeOfPath(path));
    else firstRoute = routeOfPath(path);
  });
  handleQuit({
    countActive: () => service.activeCount(),
    hasWindow,
    closeWindow: () => {
      window?.close();
    },
    close: service.close,
  });
  offerFileDialog(() => (hasWindow() ? window : undefined));
  void app.whenReady().then(() => {
    if (developmentAddress === undefined) guardSession(join(root, 'out', 'renderer'));
    setMenu({
      show,
      checkForUpdates: () => {
        void offerUpdate(false);
      },
    });
    show(firstRoute);
    void showNotifications(service.api, () => window, show);
    void keepAwake(service.api);
    void offerUpdate(true);
  });
}
