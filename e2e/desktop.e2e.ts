/** @file Tests of the desktop app, which need Electron's binary and a display. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { _electron, type ElectronApplication, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findElectron } from '../src-main/entry/environment.ts';
import { toyCorpus } from '../src-main/train/toy-corpus.ts';
import { makeTinyCheckpoint } from '../tests/support/tiny.ts';
import { timeout, root, skipSuite } from './app.ts';
import { growCheckpoint } from './growth-steps.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { waitForHeading } from './pages/common.ts';
import { growPage } from './pages/grow.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

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
    const source = join(dir, 'small-llama');
    const userData = `--user-data-dir=${join(dir, 'electron')}`;
    const env = Object.fromEntries(
      Object.entries({ ...process.env, HOME: dir, CAMBIUM_HOME: join(dir, 'home') }).filter(
        (entry): entry is [string, string] => entry[1] !== undefined,
      ),
    );
    const sandbox = process.platform === 'linux' && process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    let app: ElectronApplication;
    let page: Page;
    /** The system's dialogs answer without a person: a file dialog with `paths`, a question with `button`. */
    const answerDialogs = (paths: readonly string[], button: number): Promise<void> =>
      app.evaluate(
        ({ dialog }, answer) => {
          const record = globalThis as { asked?: string[] };
          record.asked = [];
          dialog.showOpenDialog = () =>
            Promise.resolve({ canceled: answer.paths.length === 0, filePaths: [...answer.paths] });
          dialog.showMessageBox = (...args: unknown[]) => {
            record.asked!.push((args.at(-1) as { message: string }).message);
            return Promise.resolve({ response: answer.button, checkboxChecked: false });
          };
        },
        { paths, button },
      );
    const listAsked = (): Promise<readonly string[]> =>
      app.evaluate(() => (globalThis as { asked?: string[] }).asked ?? []);
    beforeAll(async () => {
      app = await _electron.launch({
        executablePath: binary,
        args: [...sandbox, userData, root],
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
      await app.close().catch(() => undefined);
      rmSync(dir, { recursive: true, force: true, maxRetries: 10 });
    });

    it('isolates its page from Node', async () => {
      expect(page.url()).toMatch(/^app:\/\/cambium\//);
      expect(
        await page.evaluate(
          '[typeof require, typeof process, typeof window.cambium.pathOf, Object.keys(window.cambium).sort().join()]',
        ),
      ).toEqual(['undefined', 'undefined', 'function', 'choosePath,desktop,pathOf']);
    });

    it('grows a checkpoint and shows its certificate', async () => {
      await makeTinyCheckpoint('llama', {
        dir: source,
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

    it('shows pages and opens a checkpoint from its menu', async () => {
      await answerDialogs([source], 0);
      const click = (id: string): Promise<void> =>
        app.evaluate(({ Menu }, item) => {
          Menu.getApplicationMenu()!.getMenuItemById(item)!.click();
        }, id);
      await click('#/runs');
      await waitForHeading(page, 'Runs');
      await click('open');
      await waitForHeading(page, 'small-llama');
    });

    it('chooses a folder in the dialog of the system', async () => {
      await answerDialogs([join(dir, 'chosen')], 0);
      await checkpointPage(page).grow();
      await growPage(page).waitFor('small-llama');
      await page.getByRole('button', { name: 'Browse for output folder' }).click();
      await expect.poll(() => growPage(page).readOutputFolder()).toBe(join(dir, 'chosen'));
      await answerDialogs([], 0);
      await page.getByRole('button', { name: 'Browse for output folder' }).click();
      expect(await growPage(page).readOutputFolder()).toBe(join(dir, 'chosen'));
    });

    it('shows the folder that a second start names, in the same window', async () => {
      const second = spawn(binary, [...sandbox, userData, root, join(source, 'model.safetensors')], {
        env,
        stdio: 'ignore',
      });
      await once(second, 'exit');
      await waitForHeading(page, 'small-llama');
      expect(app.windows()).toHaveLength(1);
    });

    it('asks before it quits while a run trains, and saves the run', async () => {
      const text = join(dir, 'stories.txt');
      writeFileSync(text, toyCorpus(60_000, { seed: 7 }));
      await checkpointPage(page).train();
      await trainPage(page).fill(text, {
        Tokens: 50_000_000,
        'Micro-batch size': 2,
        'Context length': 32,
        'Evaluate every': 0,
        'Sample every': 0,
      });
      await trainPage(page).start();
      await runPage(page).waitForState('Training');
      const quit = (): Promise<void> =>
        app.evaluate(({ app: electron }) => {
          electron.quit();
        });
      await answerDialogs([], 2);
      await quit();
      await expect.poll(listAsked).toEqual(['A run or a job is at work.']);
      await runPage(page).waitForState('Training');
      await answerDialogs([], 1);
      const child = app.process();
      const exit = once(child, 'exit');
      await quit();
      await exit;
      const runs = join(dir, 'home', 'runs');
      const saved = readdirSync(runs).flatMap((run) => readdirSync(join(runs, run, 'checkpoints')));
      expect(saved.length).toBeGreaterThan(0);
    });
  });
}
