/**
 * @file Tests of the desktop app with the system around it: files that it is started with, drops, progress and
 * notifications, sleep, and work that goes on without a window.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { toyCorpus } from '../src-main/train/toy-corpus.ts';
import { makeTinyCheckpoint } from '../tests/support/tiny.ts';
import { desktopScenario } from './desktop-app.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { waitForHeading } from './pages/common.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

/** What the main process asked of the system. */
interface SystemCalls {
  readonly progress: number[];
  readonly notifications: { readonly title: string; readonly body: string }[];
}

desktopScenario('the desktop app and its system', (desktop) => {
  const source = join(desktop.dir, 'small-llama');
  const text = join(desktop.dir, 'stories.txt');
  beforeAll(async () => {
    writeFileSync(text, toyCorpus(60_000, { seed: 7 }));
    await makeTinyCheckpoint('llama', {
      dir: source,
      tokenizer: true,
      dims: { hidden: 32, ffn: 64, head_dim: 8 },
    });
  });

  /** Records progress and notifications; a window never has the focus, as behind another app. */
  const recordSystemCalls = (): Promise<void> =>
    desktop.app.evaluate(({ BrowserWindow, Notification }) => {
      const calls: SystemCalls = { progress: [], notifications: [] };
      Object.assign(globalThis, { systemCalls: calls });
      BrowserWindow.prototype.isFocused = () => false;
      BrowserWindow.prototype.setProgressBar = (share) => {
        calls.progress.push(share);
      };
      Notification.prototype.show = function () {
        calls.notifications.push({ title: this.title, body: this.body });
        Object.assign(globalThis, { lastNotification: this });
      };
    });
  const readSystemCalls = (): Promise<SystemCalls> =>
    desktop.app.evaluate(() => (globalThis as unknown as { systemCalls: SystemCalls }).systemCalls);
  /** The types of the power-save blockers that are on. */
  const recordBlockers = (): Promise<void> =>
    desktop.app.evaluate(({ powerSaveBlocker }) => {
      const { start, stop } = powerSaveBlocker;
      const blockers = new Map<number, string>();
      Object.assign(globalThis, { blockers });
      powerSaveBlocker.start = (type) => {
        const id = start.call(powerSaveBlocker, type);
        blockers.set(id, type);
        return id;
      };
      powerSaveBlocker.stop = (id) => {
        blockers.delete(id);
        return stop.call(powerSaveBlocker, id);
      };
    });
  const readBlockers = (): Promise<readonly string[]> =>
    desktop.app.evaluate(() => [
      ...(globalThis as unknown as { blockers: Map<number, string> }).blockers.values(),
    ]);

  async function startRun(tokens: number, name: string): Promise<void> {
    const { page } = desktop;
    await library(page).visit();
    await library(page).openPath(source);
    await checkpointPage(page).waitFor('small-llama');
    await checkpointPage(page).train();
    await trainPage(page).waitFor('small-llama');
    const settings = { Tokens: tokens, 'Micro-batch size': 2, 'Context length': 32 };
    await trainPage(page).fill(text, { ...settings, 'Evaluate every': 0, 'Sample every': 0 }, name);
    await trainPage(page).start();
    await runPage(page).waitForStep(1);
  }
  /** Starts the app a second time, which hands over to the first. */
  async function startAgain(...args: readonly string[]): Promise<void> {
    const second = spawn(desktop.binary, [...desktop.args, ...args], {
      env: { ...desktop.env },
      stdio: 'ignore',
    });
    await once(second, 'exit');
  }

  it('opens a folder that is dropped on its window, by its path', async () => {
    const { page } = desktop;
    await library(page).drop(source);
    await checkpointPage(page).waitFor('small-llama');
    expect(await page.getByText(source, { exact: true }).count()).toBeGreaterThan(0);
  });

  it('opens the file that it is started with, as the system does for a file of its own', async () => {
    await desktop.app.close();
    const page = await desktop.start(join(source, 'model.safetensors'));
    await waitForHeading(page, 'small-llama');
  });

  it('shows progress, keeps the computer awake, and notifies at the end, which opens the run', async () => {
    const { page } = desktop;
    await recordSystemCalls();
    await recordBlockers();
    await startRun(400 * 64, 'a short one');
    await expect.poll(readBlockers).toEqual(['prevent-app-suspension']);
    await library(page).visit();
    await expect.poll(async () => (await readSystemCalls()).notifications).toHaveLength(1);
    const { progress, notifications } = await readSystemCalls();
    expect(notifications[0]).toMatchObject({ title: 'a short one has finished' });
    expect(notifications[0]!.body).toContain('Step 400 of 400');
    expect(progress.some((share) => share > 0 && share < 1)).toBe(true);
    await expect.poll(async () => (await readSystemCalls()).progress.at(-1)).toBe(-1);
    await expect.poll(readBlockers).toEqual([]);
    await desktop.app.evaluate(() => {
      const { lastNotification } = globalThis as unknown as {
        lastNotification: { emit(type: string): void };
      };
      lastNotification.emit('click');
    });
    await waitForHeading(page, 'a short one');
  });

  it('lets a run go on without a window, and shows it again at the next start', async () => {
    await startRun(50_000_000, 'a long one');
    await desktop.answerDialogs([], 0);
    await desktop.quit();
    await expect.poll(() => desktop.listAsked()).toEqual(['A run or a job is at work.']);
    await expect.poll(() => desktop.app.windows().length).toBe(0);
    const opened = desktop.app.waitForEvent('window');
    await startAgain();
    const page = desktop.watchPage(await opened);
    await page
      .getByRole('region', { name: 'Running', exact: true })
      .getByRole('link', { name: /a long one/ })
      .click();
    await runPage(page).waitForState('Training');
  });

  it('stops the run when the answer is to stop, and quits', async () => {
    await desktop.answerDialogs([], 1);
    const exit = once(desktop.app.process(), 'exit');
    await desktop.quit();
    await exit;
    await desktop.start();
    await library(desktop.page)
      .runs.getByRole('link', { name: /a long one/ })
      .filter({ hasText: 'Paused' })
      .waitFor();
    expect(desktop.complaints).toEqual([]);
  });
});
