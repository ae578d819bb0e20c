/**
 * @file The desktop app itself, where Electron's binary and a display exist: its window opens a checkpoint,
 * grows it and shows the proof.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { _electron, type ElectronApplication, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { electronBinary } from '../src-main/entry/environment.ts';
import { makeTinyCheckpoint } from '../tests/support/tiny.ts';
import { patience, root, skipped } from './app.ts';
import { openAndGrow } from './journey.ts';

const binary = electronBinary(root);
const display =
  process.platform !== 'linux' ||
  process.env['DISPLAY'] !== undefined ||
  process.env['WAYLAND_DISPLAY'] !== undefined;

if (binary === null)
  skipped(
    'the desktop app',
    'needs the binary of Electron, which npm ci does not download: run npx install-electron',
  );
else if (!display) skipped('the desktop app', 'needs a display: run it under xvfb-run');
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
        timeout: patience,
      });
      page = await app.firstWindow();
      page.setDefaultTimeout(patience);
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

    it('shows its page in an isolated window', async () => {
      expect(page.url()).toMatch(/^app:\/\/cambium\//);
      expect(
        await page.evaluate(
          '[typeof require, typeof process, typeof window.cambium.pathOf, Object.keys(window.cambium).sort().join()]',
        ),
      ).toEqual(['undefined', 'undefined', 'function', 'desktop,pathOf']);
    });

    it('opens, grows and proves', async () => {
      const source = await makeTinyCheckpoint('llama', {
        dir: join(dir, 'small-llama'),
        tokenizer: true,
        dims: { hidden: 32, ffn: 64, head_dim: 8 },
      });
      const out = await openAndGrow(page, source, 'small-llama');
      expect(existsSync(join(out, 'model.safetensors'))).toBe(true);
    });

    it('is still there after a reload, and complained of nothing', async () => {
      await page.reload();
      await page.getByRole('region', { name: 'Certificate' }).waitFor();
      expect(complaints).toEqual([]);
    });
  });
}
