/**
 * @file Tests of an update of the desktop app in Electron, from a feed on this computer: it is offered, refused without
 * the signature of the release, downloaded, and installed when the app quits.
 */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { ElectronApplication } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { signManifest } from '../src-main/entry/desktop/update-signature.ts';
import { skipSuite } from './app.ts';
import { createEnvironment, findDesktop, launchDesktop, listDesktopArguments } from './electron.ts';
import { root } from './paths.ts';

const title = 'an update of the desktop app';
const found = findDesktop();
if (process.platform !== 'linux') skipSuite(title, 'replaces an AppImage, which is for Linux');
else if ('missing' in found) skipSuite(title, found.missing);
else
  describe(title, () => {
    const dir = mkdtempSync(join(tmpdir(), 'cambium-update-'));
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const installed = join(dir, 'Cambium.AppImage');
    const newer = Buffer.from('#!/bin/sh\n# The installer starts it once.\nexit 0\n');
    const fileName = 'Cambium-9.0.0.AppImage';
    const manifest = {
      version: '9.0.0',
      files: [
        {
          url: fileName,
          sha512: createHash('sha512').update(newer).digest('base64'),
          size: newer.length,
        },
      ],
      releaseDate: '2026-11-30T00:00:00.000Z',
    };
    let feed = '';
    const requests: string[] = [];
    let server: Server;
    let desktop: ElectronApplication;

    /** A copy of the built app whose build knew the public key of this feed. */
    function createRelease(): string {
      const app = join(dir, 'app');
      cpSync(join(root, 'out'), join(app, 'out'), { recursive: true });
      for (const name of ['package.json', 'resources', 'node_modules'])
        symlinkSync(join(root, name), join(app, name));
      const main = join(app, 'out', 'main', 'desktop.js');
      const key = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
      const [before, after] = ['releaseKey = () => ""', `releaseKey = () => "${key}"`];
      const text = readFileSync(main, 'utf8');
      expect(text.split(before)).toHaveLength(2);
      writeFileSync(main, text.replace(before, after));
      return app;
    }

    beforeAll(async () => {
      server = createServer((request, response) => {
        const name = basename(request.url!.split('?')[0]!);
        requests.push(name);
        if (name === 'latest-linux.yml') response.end(feed);
        else if (name === fileName) response.end(newer);
        else response.writeHead(404).end();
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const resources = join(dir, 'resources');
      mkdirSync(resources);
      const { port } = server.address() as AddressInfo;
      const url = `http://127.0.0.1:${port}`;
      writeFileSync(
        join(resources, 'app-update.yml'),
        stringify({ provider: 'generic', url, updaterCacheDirName: 'cambium-updater' }),
      );
      writeFileSync(installed, 'the older version');
      const args = [...listDesktopArguments(dir).slice(0, -1), createRelease()];
      const env = createEnvironment(dir, { APPIMAGE: installed, XDG_CACHE_HOME: join(dir, 'cache') });
      desktop = await launchDesktop(found.binary, args, env);
      // What an installer changes: the app is packaged, and its resources say where the feed is.
      await desktop.evaluate(({ app, dialog }, resourcesPath) => {
        Object.defineProperty(app, 'isPackaged', { value: true });
        Object.defineProperty(process, 'resourcesPath', { value: resourcesPath });
        const record = globalThis as { shown?: string[]; answer?: number };
        record.shown = [];
        dialog.showMessageBox = (...given: unknown[]) => {
          const { message, detail } = given.at(-1) as { message: string; detail: string };
          record.shown!.push(`${message} ${detail}`);
          return Promise.resolve({ response: record.answer ?? 0, checkboxChecked: false });
        };
      }, resources);
    });
    afterAll(async () => {
      desktop.process().kill('SIGKILL');
      await desktop.close().catch(() => undefined);
      server.close();
      rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
    });

    /** Checks for updates as the menu does, and returns what the app said. `answer` is the button that is pressed. */
    async function checkForUpdates(answer: number): Promise<string> {
      await desktop.evaluate(({ Menu }, button) => {
        Object.assign(globalThis, { shown: [], answer: button });
        Menu.getApplicationMenu()!.getMenuItemById('updates')!.click();
      }, answer);
      const read = (): Promise<readonly string[]> =>
        desktop.evaluate(() => (globalThis as { shown?: string[] }).shown ?? []);
      await expect.poll(async () => (await read()).length).toBeGreaterThan(0);
      return (await read()).join('\n');
    }

    it('refuses a version that is not signed with the key of the release', async () => {
      feed = stringify(manifest);
      expect(await checkForUpdates(0)).toContain('Version 9.0.0 is not signed with the key of this copy');
      feed = stringify({
        ...manifest,
        signature: signManifest({ ...manifest, version: '8.0.0' }, privateKey),
      });
      expect(await checkForUpdates(0)).toContain('is not signed with the key of this copy');
      expect(requests).not.toContain(fileName);
    });

    it('offers a signed version, and downloads nothing when the answer is no', async () => {
      feed = stringify({ ...manifest, signature: signManifest(manifest, privateKey) });
      expect(await checkForUpdates(1)).toContain('Cambium 9.0.0 is available.');
      expect(requests).not.toContain(fileName);
    });

    it('downloads the version, and installs it when the app quits', async () => {
      const countQuitHandlers = (): Promise<number> =>
        desktop.evaluate(({ app }) => app.listenerCount('quit'));
      const before = await countQuitHandlers();
      expect(await checkForUpdates(0)).toContain('Cambium 9.0.0 is available.');
      await expect.poll(() => requests).toContain(fileName);
      expect(readFileSync(installed, 'utf8')).toBe('the older version');
      // The updater waits for the end of the app once the download was checked.
      await expect.poll(countQuitHandlers).toBeGreaterThan(before);
      const exit = once(desktop.process(), 'exit');
      await desktop.evaluate(({ app }) => {
        app.quit();
      });
      await exit;
      expect(readFileSync(installed, 'utf8')).toBe(newer.toString());
    });
  });
