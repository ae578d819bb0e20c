/** @file The system's dialog to choose a folder or a file, for the page. */
import { BrowserWindow, dialog, ipcMain } from 'electron';
import type { OpenDialogOptions } from 'electron';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';

interface Request {
  readonly kind: 'folder' | 'file';
  readonly title: string;
  readonly start: string | undefined;
}

/** What the page asked for; undefined if it is none of what the preload script sends. */
export function readRequest(value: unknown): Request | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { kind, title, start } = value as Readonly<Record<string, unknown>>;
  if ((kind !== 'folder' && kind !== 'file') || typeof title !== 'string') return undefined;
  if (start !== undefined && typeof start !== 'string') return undefined;
  return { kind, title, start };
}

/** The nearest folder of `path` that exists, where a dialog can open; undefined if there is none. */
export function findStart(path: string | undefined): string | undefined {
  if (path === undefined || path === '') return undefined;
  if (existsSync(path)) return path;
  const parent = dirname(path);
  return parent === path ? undefined : findStart(parent);
}

/** Answers the requests of the page in `getWindow`, and of no other. Null: cancelled. */
export function offerFileDialog(getWindow: () => BrowserWindow | undefined): void {
  ipcMain.handle('cambium:choose-path', async ({ sender }, value: unknown): Promise<string | null> => {
    const window = getWindow();
    const request = readRequest(value);
    if (!request || !window || BrowserWindow.fromWebContents(sender) !== window) return null;
    const start = findStart(request.start);
    const options: OpenDialogOptions = {
      title: request.title,
      properties: [
        ...(request.kind === 'folder'
          ? (['openDirectory', 'createDirectory'] as const)
          : (['openFile'] as const)),
        'showHiddenFiles',
      ],
      ...(start === undefined ? {} : { defaultPath: start }),
    };
    const { canceled, filePaths } = await dialog.showOpenDialog(window, options);
    return canceled ? null : (filePaths[0] ?? null);
  });
}
