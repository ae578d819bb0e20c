/** @file Tests of the desktop app, which need Electron's binary and a display. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { _electron, type ElectronApplication, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findElectron } from '../src-main/entry/environment.ts';
import { makeTinyCheckpoint } from '../tests/support/tiny.ts';
import { timeout, root, skipSuite } from './app.ts';
import { growCheckpoint } from './growth-steps.ts';

const binary = findElectron(root);
const display =
  process.platform !== 'linux' ||
  process.env['DISPLAY'] !== undefined ||
  process.env['WAYLAND_DISPLAY'] !== undefined;

if (binary === null)
  skipSuite(
    'the desktop app',
    'needs the binary of Electron, which npm ci does not download: run npx install-electron',
  );
else if (!display) skipSuite('the desktop app', 'needs a display: run it under xvfb-run');
else {
  describe('the desktop app', () => {
    const dir = mkdtempSync(join(tmpdir(), 'cambium-desktop-'));
    const complaints: string[] = [];
    let app: ElectronApplication;
    let page: Page;
    beforeAll(async () => {
      const sandbox = process.platform === 'linux' && process.getuid?.() === 0 ? ['--no-sandbox'] : [];
      const env = Object.fromEntries(
        Object.entries({ ...process.env, HOME: dir, CAMBIUM_HOME: join(dir, 'home') }).filter(
          (entry): entry is [string, string] => entry[1] !== undefined,
        ),
      );
      app = await _electron.launch({
        executablePath: binary,
        args: [...sandbox, `--user-data-dir=${join(dir, 'electron')}`, root],
        env,
        timeout,
      });
      page = await app.firstWindow();
      page.setDefaultTimeout(timeout);
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      page.on('pageerror', (error) => {
        complaints.push(error.message);
      });
      await page.getByTestId('drop-zone').waitFor();
    });
    afterAll(async () => {
      await app.close();
      rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
    });

    it('isolates its page from Node', async () => {
      expect(page.url()).toMatch(/^app:\/\/cambium\//);
      expect(
        await page.evaluate(
          '[typeof require, typeof process, typeof window.cambium.pathOf, Object.keys(window.cambium).sort().join()]',
        ),
      ).toEqual(['undefined', 'undefined', 'function', 'desktop,pathOf']);
    });

    it('grows a checkpoint and shows its certificate', async () => {
      const source = await makeTinyCheckpoint('llama', {
        dir: join(dir, 'small-llama'),
        tokenizer: true,
        dims: { hidden: 32, ffn: 64, head_dim: 8 },
      });
      const out = await growCheckpoint(page, source, 'small-llama');
      expect(existsSync(join(out, 'model.safetensors'))).toBe(true);
    });

    it('shows the certificate after a reload, without errors', async () => {
      await page.reload();
      await page.getByRole('region', { name: 'Certificate' }).waitFor();
      expect(complaints).toEqual([]);
    });
  });
}
