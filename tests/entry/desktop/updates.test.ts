import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { fake } from './fake-electron.ts';
import { freshFolder } from '../../support/temporary.ts';

interface Found {
  readonly isUpdateAvailable: boolean;
  readonly updateInfo: { readonly version: string };
}
const updater = vi.hoisted(() => ({
  found: null as Found | Error | null,
  downloads: 0,
  settings: {} as Record<string, unknown>,
}));
vi.mock('electron', async () => (await import('./fake-electron.ts')).electron);
vi.mock('electron-updater', () => ({
  default: {
    autoUpdater: Object.assign(updater.settings, {
      checkForUpdates: () =>
        updater.found instanceof Error ? Promise.reject(updater.found) : Promise.resolve(updater.found),
      downloadUpdate() {
        updater.downloads++;
        return Promise.resolve([]);
      },
    }),
  },
}));
import { offerUpdate } from '../../../src-main/entry/desktop/updates.ts';

const resources = freshFolder();
Object.defineProperty(process, 'resourcesPath', { value: resources, configurable: true });
const updateFile = join(resources, 'app-update.yml');

beforeEach(() => {
  fake.messageBoxes.length = 0;
  fake.pressedButton = 0;
  updater.downloads = 0;
  writeFileSync(updateFile, 'provider: github\n');
});

describe('offerUpdate', () => {
  it('does not check in a copy without an installer', async () => {
    rmSync(updateFile);
    await offerUpdate(true);
    expect(fake.messageBoxes).toEqual([]);
    await offerUpdate(false);
    expect(fake.messageBoxes[0]!.message).toContain('does not update automatically');
  });

  it('downloads the update if the person agrees', async () => {
    updater.found = { isUpdateAvailable: true, updateInfo: { version: '0.2.0' } };
    fake.pressedButton = 1;
    await offerUpdate(true);
    expect([updater.downloads, fake.messageBoxes.length]).toEqual([0, 1]);
    fake.pressedButton = 0;
    await offerUpdate(true);
    expect(updater.downloads).toBe(1);
    expect(updater.settings).toMatchObject({ autoDownload: false, autoInstallOnAppQuit: true });
  });

  it.each([
    [{ isUpdateAvailable: false, updateInfo: { version: '0.1.0' } }, 'up to date'],
    [new Error('no network'), 'Checking for updates failed'],
  ])('reports %o only if it is not quiet', async (found, text) => {
    updater.found = found;
    await offerUpdate(true);
    expect(fake.messageBoxes).toEqual([]);
    await offerUpdate(false);
    expect(fake.messageBoxes[0]!.message).toContain(text);
  });
});
