/**
 * @file Tests of the packed desktop app: what electron-builder writes for an installer opens, grows and trains. Its
 * fuses allow no debugger of its main process, so the page is reached through Chromium's debugging port alone.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { skipSuite } from './app.ts';
import { createEnvironment, findDesktop, listDesktopArguments } from './electron.ts';
import { growCheckpoint } from './growth-steps.ts';
import { growingPage } from './pages/grow.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';
import { root, timeout } from './paths.ts';

const title = 'the packed desktop app';
/** Milliseconds that a busy machine needs to pack the app. */
const packingTime = 400_000;
const electron = process.env['ELECTRON_OVERRIDE_DIST_PATH'];
const found = findDesktop();
if (process.platform !== 'linux') skipSuite(title, 'is packed for Linux only');
else if ('missing' in found) skipSuite(title, found.missing);
else if (electron === undefined)
  skipSuite(title, 'needs ELECTRON_OVERRIDE_DIST_PATH, the folder of the Electron that is packed');
else
  describe(title, () => {
    const dir = mkdtempSync(join(tmpdir(), 'cambium-packed-'));
    const program = join(dir, 'dist', 'linux-unpacked', 'cambium');
    const seedling = join(
      dir,
      'dist',
      'linux-unpacked',
      'resources',
      'app.asar.unpacked',
      'resources',
      'demo',
      'seedling',
    );
    let app: ChildProcess | undefined;
    let browser: Browser | undefined;
    let page: Page;

    beforeAll(async () => {
      const pack = ['--linux', 'dir', '--publish', 'never'];
      const changes = [`-c.electronDist=${electron}`, `-c.directories.output=${join(dir, 'dist')}`];
      const builder = join(root, 'node_modules', 'electron-builder', 'cli.js');
      execFileSync(process.execPath, [builder, ...pack, ...changes], { cwd: root, stdio: 'pipe' });
      const args = [...listDesktopArguments(dir).slice(0, -1), '--remote-debugging-port=0'];
      const child = spawn(program, args, {
        env: createEnvironment(dir),
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      app = child;
      const address = await new Promise<string>((resolve, reject) => {
        createInterface(child.stderr).on('line', (line) => {
          const [, found] = /DevTools listening on (ws:.*)/.exec(line) ?? [];
          if (found !== undefined) resolve(found);
        });
        child.once('exit', (code) => {
          reject(new Error(`the packed app ended with ${code}`));
        });
      });
      browser = await chromium.connectOverCDP(address);
      const [context] = browser.contexts();
      page = context!.pages()[0] ?? (await context!.waitForEvent('page'));
      page.setDefaultTimeout(timeout);
      await page.getByTestId('drop-zone').waitFor();
    }, packingTime);
    afterAll(async () => {
      await browser?.close().catch(() => undefined);
      if (app) {
        const exit = once(app, 'exit');
        app.kill('SIGKILL');
        await exit;
      }
      rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
    });

    it('shows its page, isolated from Node', async () => {
      expect(page.url()).toMatch(/^app:\/\/cambium\//);
      expect(await page.evaluate('[typeof require, typeof process, window.cambium.desktop]')).toEqual([
        'undefined',
        'undefined',
        true,
      ]);
    });

    it('grows the demo checkpoint from its archive, and certifies it', async () => {
      await growCheckpoint(page, seedling, 'seedling');
    });

    it('trains the grown model in its own engine', async () => {
      await growingPage(page).train();
      await page.getByRole('button', { name: 'Use the example text' }).click();
      const text = page.getByRole('textbox', { name: 'Text', exact: true });
      await expect.poll(() => text.inputValue()).not.toBe('');
      const short = { Tokens: 4 * 2 * 32, 'Micro-batch size': 2, 'Context length': 32 };
      await trainPage(page).fill(await text.inputValue(), short);
      await trainPage(page).start();
      await runPage(page).waitForState('Finished');
    });
  });
