/** @file Tests of the desktop app, which need Electron's binary and a display. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { toyCorpus } from '../src-main/train/toy-corpus.ts';
import { makeTinyCheckpoint } from '../tests/support/tiny.ts';
import { desktopScenario } from './desktop-app.ts';
import { growCheckpoint } from './growth-steps.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { waitForHeading } from './pages/common.ts';
import { growPage } from './pages/grow.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

desktopScenario('the desktop app', (desktop) => {
  const source = join(desktop.dir, 'small-llama');

  it('isolates its page from Node', async () => {
    const { page } = desktop;
    expect(page.url()).toMatch(/^app:\/\/cambium\//);
    expect(
      await page.evaluate(
        '[typeof require, typeof process, typeof window.cambium.pathOf, Object.keys(window.cambium).sort().join()]',
      ),
    ).toEqual(['undefined', 'undefined', 'function', 'choosePath,desktop,pathOf']);
  });

  it('grows a checkpoint and shows its certificate', async () => {
    const { page } = desktop;
    await makeTinyCheckpoint('llama', {
      dir: source,
      tokenizer: true,
      dims: { hidden: 32, ffn: 64, head_dim: 8 },
    });
    const out = await growCheckpoint(page, source, 'small-llama');
    expect(existsSync(join(out, 'model.safetensors'))).toBe(true);
  });

  it('shows the certificate after a reload, without errors', async () => {
    const { page } = desktop;
    await page.reload();
    await page.getByRole('region', { name: 'Certificate' }).waitFor();
    expect(desktop.complaints).toEqual([]);
  });

  it('shows pages and opens a checkpoint from its menu', async () => {
    const { page } = desktop;
    await desktop.answerDialogs([source], 0);
    await desktop.clickMenu('#/runs');
    await waitForHeading(page, 'Runs');
    await desktop.clickMenu('open');
    await waitForHeading(page, 'small-llama');
  });

  it('chooses a folder in the dialog of the system', async () => {
    const { page } = desktop;
    await desktop.answerDialogs([join(desktop.dir, 'chosen')], 0);
    await checkpointPage(page).grow();
    await growPage(page).waitFor('small-llama');
    await page.getByRole('button', { name: 'Browse for output folder' }).click();
    await expect.poll(() => growPage(page).readOutputFolder()).toBe(join(desktop.dir, 'chosen'));
    await desktop.answerDialogs([], 0);
    await page.getByRole('button', { name: 'Browse for output folder' }).click();
    expect(await growPage(page).readOutputFolder()).toBe(join(desktop.dir, 'chosen'));
  });

  it('shows the folder that a second start names, in the same window', async () => {
    const { page } = desktop;
    const second = spawn(desktop.binary, [...desktop.args, join(source, 'model.safetensors')], {
      env: { ...desktop.env },
      stdio: 'ignore',
    });
    await once(second, 'exit');
    await waitForHeading(page, 'small-llama');
    expect(desktop.app.windows()).toHaveLength(1);
  });

  it('asks before it quits while a run trains, and saves the run', async () => {
    const { page } = desktop;
    const text = join(desktop.dir, 'stories.txt');
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
    await desktop.answerDialogs([], 2);
    await desktop.quit();
    await expect.poll(() => desktop.listAsked()).toEqual(['A run or a job is at work.']);
    await runPage(page).waitForState('Training');
    await desktop.answerDialogs([], 1);
    const child = desktop.app.process();
    const exit = once(child, 'exit');
    await desktop.quit();
    await exit;
    const runs = join(desktop.dir, 'home', 'runs');
    const saved = readdirSync(runs).flatMap((run) => readdirSync(join(runs, run, 'checkpoints')));
    expect(saved.length).toBeGreaterThan(0);
  });
});
