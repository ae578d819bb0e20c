/** @file The menu of the app. */
import { dialog, Menu } from 'electron';
import type { MenuItemConstructorOptions } from 'electron';
import { routeOfPath } from './open-path.ts';

export interface MenuActions {
  /** Shows the window, at a page (`#/…`) if one is given. */
  readonly show: (route?: string) => void;
  readonly checkForUpdates: () => void;
}

/** The pages of the menu, with the digit of their shortcut. */
const pages = [
  ['Models', '#/'],
  ['Runs', '#/runs'],
  ['Hub', '#/hub'],
  ['This Computer', '#/devices'],
] as const;

async function openCheckpoint(show: MenuActions['show']): Promise<void> {
  const { canceled, filePaths } = await dialog.showOpenDialog({
    title: 'Open checkpoint',
    properties: ['openDirectory', 'showHiddenFiles'],
  });
  if (!canceled && filePaths[0] !== undefined) show(routeOfPath(filePaths[0]));
}

export function setMenu({ show, checkForUpdates }: MenuActions): void {
  const isMac = process.platform === 'darwin';
  const file: MenuItemConstructorOptions = {
    label: 'File',
    submenu: [
      {
        id: 'open',
        label: 'Open Checkpoint…',
        accelerator: 'CmdOrCtrl+O',
        click: () => {
          void openCheckpoint(show);
        },
      },
      { type: 'separator' },
      isMac ? { role: 'close' } : { role: 'quit' },
    ],
  };
  const view: MenuItemConstructorOptions = {
    label: 'View',
    submenu: [
      ...pages.map(([label, route], i) => ({
        id: route,
        label,
        accelerator: `CmdOrCtrl+${i + 1}`,
        click: () => {
          show(route);
        },
      })),
      { type: 'separator' },
      { role: 'reload' },
      { role: 'resetZoom' },
      { role: 'zoomIn' },
      { role: 'zoomOut' },
      { role: 'togglefullscreen' },
    ],
  };
  const help: MenuItemConstructorOptions = {
    role: 'help',
    submenu: [{ id: 'updates', label: 'Check for Updates…', click: checkForUpdates }],
  };
  const menu = Menu.buildFromTemplate([
    ...(isMac ? [{ role: 'appMenu' } as const] : []),
    file,
    { role: 'editMenu' },
    view,
    { role: 'windowMenu' },
    help,
  ]);
  Menu.setApplicationMenu(menu);
}
