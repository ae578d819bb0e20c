/**
 * @file Runs as things on a desk: two are made, named, tagged, compared, found in the family tree, put into
 * the trash and taken back; charts are saved as files.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scenario, screenshots } from './app.ts';
import { heading } from './pages/frame.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

const settings = {
  Tokens: 40 * 4 * 64,
  Batch: 4,
  Sequence: 64,
  'Learning rate': 0.003,
  'Warm-up': 5,
  'Evaluate every': 10,
  'Save every': 0,
  'Sample every': 0,
};

scenario('runs', (app) => {
  const shot = async (name: string): Promise<void> => {
    mkdirSync(screenshots, { recursive: true });
    await app.page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
  };
  const nav = async (name: string): Promise<void> => {
    await app.page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
  };
  const train = async (dir: string, name: string, more: Record<string, number>): Promise<void> => {
    await nav('Models');
    await library(app.page).type(dir);
    await checkpointPage(app.page).opened('small-llama');
    await checkpointPage(app.page).train();
    await trainPage(app.page).fill(app.text, { ...settings, ...more }, name);
    await trainPage(app.page).start();
    await runPage(app.page).is('Finished');
  };

  it('are named, tagged and noted on their page, and drawn over other axes', async () => {
    const dir = await app.checkpoint('small-llama');
    await train(dir, 'slow', { 'Learning rate': 0.0003 });
    await train(dir, 'quick', {});
    await app.page.getByRole('textbox', { name: 'Tags' }).fill('good, short');
    await app.page.getByRole('textbox', { name: 'Notes' }).fill('The higher rate.');
    await app.page.getByLabel('Name', { exact: true }).fill('Quick one');
    await app.page.getByLabel('Name', { exact: true }).press('Tab');
    await heading(app.page, 'Quick one');
    await app.page.getByRole('button', { name: 'FLOPs' }).click();
    const [file] = await Promise.all([
      app.page.waitForEvent('download'),
      app.page.getByRole('button', { name: /CSV.*loss/ }).click(),
    ]);
    const lines = readFileSync(await file.path(), 'utf8')
      .trim()
      .split('\n');
    expect(lines[0]).toMatch(/^FLOPs,Loss,Smoothed,Held out/);
    expect(lines.length).toBeGreaterThan(40);
    for (const kind of ['SVG', 'PNG']) {
      const [picture] = await Promise.all([
        app.page.waitForEvent('download'),
        app.page.getByRole('button', { name: new RegExp(`${kind}.*loss`) }).click(),
      ]);
      expect(readFileSync(await picture.path()).length).toBeGreaterThan(1000);
    }
    await app.page.getByLabel('Beside', { exact: true }).selectOption({ label: 'slow' });
    await app.page.getByRole('img', { name: /^Loss over flops.* Beside it slow, which ends at / }).waitFor();
    const [both] = await Promise.all([
      app.page.waitForEvent('download'),
      app.page.getByRole('button', { name: /CSV.*loss/ }).click(),
    ]);
    expect(readFileSync(await both.path(), 'utf8')).toMatch(
      /^FLOPs,Loss,Smoothed,Held out,.*slow,At its start\n/,
    );
    await shot('run-curves');
  });

  it('write beside what they began with, on the same prompt', async () => {
    await app.page.getByText('Write with it now').click();
    await app.page.getByLabel('Beside small-llama').check();
    await app.page.getByLabel('Tokens', { exact: true }).fill('12');
    await app.page.getByTestId('write').click();
    const [own, source] = [app.page.getByTestId('sample-text'), app.page.getByTestId('sample-beside')];
    await expect
      .poll(async () => (await source.innerText()).length, { timeout: 60_000 })
      .toBeGreaterThan('Once upon a time'.length + 4);
    expect(await own.innerText()).not.toBe(await source.innerText());
  });

  it('are found by their words and tags, and compared', async () => {
    await nav('Runs');
    await heading(app.page, 'Runs');
    await app.page.getByLabel('Search').fill('higher rate');
    await app.page.getByRole('link', { name: 'slow', exact: true }).waitFor({ state: 'detached' });
    await app.page.getByLabel('Search').fill('');
    await app.page.getByLabel('Choose Quick one for the comparison').check();
    await app.page.getByLabel('Choose slow for the comparison').check();
    await shot('runs');
    await app.page.getByRole('link', { name: 'Compare 2' }).click();
    await heading(app.page, 'Runs side by side');
    const differ = app.page.getByRole('region', { name: 'Settings that differ' });
    await differ.waitFor();
    expect(await differ.innerText()).toContain('Learning rate');
    expect(await app.page.getByRole('region', { name: 'What each run needed' }).innerText()).toContain(
      'Quick one',
    );
    await shot('compare');
  });

  it('stand in the family tree under what they began with', async () => {
    await nav('Runs');
    await app.page.getByRole('link', { name: 'Family tree' }).click();
    await heading(app.page, 'Family tree');
    await app.page.getByRole('link', { name: 'Quick one' }).waitFor();
    await shot('tree');
  });

  it('go into the trash and come back', async () => {
    await nav('Runs');
    await app.page.getByRole('button', { name: /Trash.*slow/ }).click();
    await app.page.getByRole('link', { name: 'slow', exact: true }).waitFor({ state: 'detached' });
    await app.page.getByRole('button', { name: 'Undo' }).click();
    await app.page.getByRole('link', { name: 'slow', exact: true }).waitFor();
  });
});
