import { generateKeyPairSync } from 'node:crypto';
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
import { signManifest } from '../../../src-main/entry/desktop/update-signature.ts';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const manifest = { version: '0.2.0', files: [{ url: 'Cambium-0.2.0.AppImage', sha512: 'abc', size: 5 }] };
const signed = { ...manifest, signature: signManifest(manifest, privateKey) };

const resources = freshFolder();
Object.defineProperty(process, 'resourcesPath', { value: resources, configurable: true });
const updateFile = join(resources, 'app-update.yml');

beforeEach(() => {
  fake.messageBoxes.length = 0;
  fake.pressedButton = 0;
  updater.downloads = 0;
  process.env['CAMBIUM_UPDATE_KEY'] = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
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
    updater.found = { isUpdateAvailable: true, updateInfo: signed };
    fake.pressedButton = 1;
    await offerUpdate(true);
    expect([updater.downloads, fake.messageBoxes.length]).toEqual([0, 1]);
    fake.pressedButton = 0;
    await offerUpdate(true);
    expect(updater.downloads).toBe(1);
    expect(updater.settings).toMatchObject({ autoDownload: false, autoInstallOnAppQuit: true });
  });

  it.runIf(process.platform === 'linux').each([
    ['has no signature', manifest],
    ['was signed for another version', { ...signed, version: '0.3.0' }],
    ['has another file', { ...signed, files: [{ ...manifest.files[0], sha512: 'abd' }] }],
  ])('neither offers nor downloads an update that %s', async (_, updateInfo) => {
    updater.found = { isUpdateAvailable: true, updateInfo };
    await offerUpdate(true);
    expect(fake.messageBoxes).toEqual([]);
    await offerUpdate(false);
    expect(fake.messageBoxes.map(({ message }) => message)).toEqual(['Checking for updates failed.']);
    expect(updater.downloads).toBe(0);
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
