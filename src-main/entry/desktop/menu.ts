/** @file The menu of the app. */
import { Menu } from 'electron';
import type { MenuItemConstructorOptions } from 'electron';

export function setMenu(checkForUpdates: () => void): void {
  const first: MenuItemConstructorOptions =
    process.platform === 'darwin' ? { role: 'appMenu' } : { label: 'File', submenu: [{ role: 'quit' }] };
  const view: MenuItemConstructorOptions = {
    label: 'View',
    submenu: [
      { role: 'reload' },
      { role: 'resetZoom' },
      { role: 'zoomIn' },
      { role: 'zoomOut' },
      { role: 'togglefullscreen' },
    ],
  };
  const help: MenuItemConstructorOptions = {
    role: 'help',
    submenu: [{ label: 'Check for Updates…', click: checkForUpdates }],
  };
  const menu = Menu.buildFromTemplate([first, { role: 'editMenu' }, view, { role: 'windowMenu' }, help]);
  Menu.setApplicationMenu(menu);
}
