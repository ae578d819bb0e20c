/** @file Tests of the runs: name, tags, notes, charts, comparison, lineage and trash. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scenario, screenshots } from './app.ts';
import { waitForHeading } from './pages/common.ts';
import { readDownload } from './downloads.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

const settings = {
  Tokens: 40 * 4 * 64,
  'Micro-batch size': 4,
  'Context length': 64,
  'Learning rate': 0.003,
  'Warmup steps': 5,
  'Evaluate every': 10,
  'Save every': 0,
  'Sample every': 0,
};

scenario('runs', (app) => {
  const takeScreenshot = async (name: string): Promise<void> => {
    mkdirSync(screenshots, { recursive: true });
    await app.page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
  };
  const navigate = async (name: string): Promise<void> => {
    await app.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name, exact: true }).click();
  };
  const train = async (dir: string, name: string, more: Record<string, number>): Promise<void> => {
    await navigate('Models');
    await library(app.page).openPath(dir);
    await checkpointPage(app.page).waitFor('small-llama');
    await checkpointPage(app.page).train();
    await trainPage(app.page).fill(app.text, { ...settings, ...more }, name);
    await trainPage(app.page).start();
    await runPage(app.page).waitForState('Finished');
  };

  it('edits name, tags and notes, and exports the chart over another axis', async () => {
    const dir = await app.createCheckpoint('small-llama');
    await train(dir, 'slow', { 'Learning rate': 0.0003 });
    await train(dir, 'quick', {});
    await runPage(app.page).openTab('Settings');
    await app.page.getByRole('textbox', { name: 'Tags' }).fill('good, short');
    await app.page.getByRole('textbox', { name: 'Notes' }).fill('The higher rate.');
    await app.page.getByLabel('Name', { exact: true }).fill('Quick one');
    await app.page.getByLabel('Name', { exact: true }).press('Tab');
    await waitForHeading(app.page, 'Quick one');
    await app.page.getByRole('button', { name: 'FLOPs' }).click();
    const saveAs = (kind: string): Promise<Buffer> =>
      readDownload(app.page, () =>
        app.page.getByRole('button', { name: new RegExp(`${kind}.*loss`) }).click(),
      );
    const lines = (await saveAs('CSV')).toString().trim().split('\n');
    expect(lines[0]).toMatch(/^FLOPs,Loss,Smoothed,Held-out/);
    expect(lines.length).toBeGreaterThan(40);
    for (const kind of ['SVG', 'PNG']) expect((await saveAs(kind)).length).toBeGreaterThan(1000);
    await app.page.getByLabel('Compare with', { exact: true }).selectOption({ label: 'slow' });
    await app.page
      .getByRole('img', { name: /^Loss over flops.* Compared with slow, which ends at / })
      .waitFor();
    expect((await saveAs('CSV')).toString()).toMatch(/^FLOPs,Loss,Smoothed,Held-out,.*slow,Initial loss\n/);
    await takeScreenshot('run-curves');
  });

  it('generates text with the run and with its source from the same prompt', async () => {
    await runPage(app.page).openTab('Samples');
    await app.page.getByLabel('Compare with small-llama').check();
    await app.page.getByLabel('Tokens', { exact: true }).fill('12');
    await app.page.getByTestId('generate').click();
    const own = app.page.getByTestId('sample-text');
    const source = app.page.getByTestId('reference-text');
    await expect
      .poll(async () => (await source.innerText()).length, { timeout: 60_000 })
      .toBeGreaterThan('Once upon a time'.length + 4);
    expect(await own.innerText()).not.toBe(await source.innerText());
  });

  it('finds runs by their notes, and compares them', async () => {
    await navigate('Runs');
    await waitForHeading(app.page, 'Runs');
    await app.page.getByRole('searchbox', { name: 'Search' }).fill('higher rate');
    await app.page.getByRole('link', { name: 'slow', exact: true }).waitFor({ state: 'detached' });
    await app.page.getByRole('searchbox', { name: 'Search' }).fill('');
    await app.page.getByLabel('Select Quick one', { exact: true }).check();
    await app.page.getByLabel('Select slow', { exact: true }).check();
    await takeScreenshot('runs');
    await app.page.getByRole('link', { name: 'Compare 2' }).click();
    await waitForHeading(app.page, 'Compare runs');
    const differ = app.page.getByRole('region', { name: 'Settings that differ' });
    await differ.waitFor();
    expect(await differ.innerText()).toContain('Learning rate');
    expect(await app.page.getByRole('region', { name: 'Cost to reach the loss' }).innerText()).toContain(
      'Quick one',
    );
    await app.page.getByRole('button', { name: 'FLOPs' }).click();
    await app.page.getByRole('img', { name: /^Held-out loss of 2 runs over flops: / }).waitFor();
    await app.page.getByLabel('Difference from', { exact: true }).selectOption({ label: 'slow' });
    await app.page
      .getByRole('img', { name: /^Difference from slow over flops: Quick one ends [\d.]+ below\.$/ })
      .waitFor();
    await takeScreenshot('compare');
    await app.page.reload();
    await app.page.getByRole('img', { name: /^Difference from slow / }).waitFor();
    await app.page.getByRole('button', { name: 'Remove slow' }).click();
    await app.page.getByRole('img', { name: /^Difference/ }).waitFor({ state: 'detached' });
    await app.page.getByLabel('Add a run').selectOption({ label: 'slow' });
    await app.page.getByRole('img', { name: /^Difference/ }).waitFor();
  });

  it('shows runs in the lineage', async () => {
    await navigate('Runs');
    await app.page.getByRole('link', { name: 'Lineage' }).click();
    await waitForHeading(app.page, 'Lineage');
    await app.page.getByRole('link', { name: 'Quick one' }).waitFor();
    await takeScreenshot('lineage');
  });

  it('moves a run to the trash and restores it', async () => {
    await navigate('Runs');
    const link = app.page.getByRole('link', { name: 'slow', exact: true });
    const trash = async (): Promise<void> => {
      await app.page.getByLabel('Select slow', { exact: true }).check();
      await app.page.getByRole('button', { name: 'Move slow to trash' }).click();
      await link.waitFor({ state: 'detached' });
    };
    await trash();
    await app.page.getByRole('button', { name: 'Undo' }).click();
    await link.waitFor();
    await trash();
    await app.page.reload();
    await app.page.getByText('Trash (1)').click();
    await app.page.getByRole('button', { name: 'Restore slow' }).click();
    await link.waitFor();
  });
});
