import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { BrowserWindow } from 'electron';
import { fake, FakeWindow } from './fake-electron.ts';
import { freshFolder } from '../../support/temporary.ts';

vi.mock('electron', async () => (await import('./fake-electron.ts')).electron);
import { findStart, offerFileDialog, readRequest } from '../../../src-main/entry/desktop/file-dialog.ts';

const window = new FakeWindow({ webPreferences: {} });
const dir = freshFolder();
offerFileDialog(() => window as unknown as BrowserWindow);
const choose = (value: unknown, sender: unknown = window.webContents): Promise<unknown> =>
  fake.ipcHandlers.get('cambium:choose-path')!({ sender }, value);
beforeEach(() => {
  fake.openDialogs.length = 0;
  fake.chosenPaths = ['/models/a'];
});

describe('offerFileDialog', () => {
  it('chooses a folder or a file, with hidden ones, from the nearest folder that exists', async () => {
    expect(await choose({ kind: 'folder', title: 'Choose', start: join(dir, 'new', 'out') })).toBe(
      '/models/a',
    );
    expect(await choose({ kind: 'file', title: 'Choose', start: undefined })).toBe('/models/a');
    expect(fake.openDialogs).toMatchObject([
      { properties: ['openDirectory', 'createDirectory', 'showHiddenFiles'], defaultPath: dir },
      { properties: ['openFile', 'showHiddenFiles'] },
    ]);
    expect(fake.openDialogs[1]).not.toHaveProperty('defaultPath');
  });

  it('returns null for a dialog that was cancelled', async () => {
    fake.chosenPaths = [];
    expect(await choose({ kind: 'file', title: 'Choose', start: undefined })).toBeNull();
  });

  it('opens no dialog for another sender or another request', async () => {
    expect(await choose({ kind: 'folder', title: 'x', start: undefined }, {})).toBeNull();
    for (const value of [
      null,
      'folder',
      { kind: 'save', title: 'x' },
      { kind: 'file', title: 'x', start: 3 },
    ])
      expect(await choose(value)).toBeNull();
    expect(fake.openDialogs).toEqual([]);
    expect(readRequest({ kind: 'file', title: 1 })).toBeUndefined();
  });
});

it('finds no start where nothing exists', () => {
  expect(findStart('')).toBeUndefined();
  expect(findStart(undefined)).toBeUndefined();
  expect(findStart(dir)).toBe(dir);
});
