/** @file Tests of tuning on the page, with the real engine: trials, coordinate check, and the values in training. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { scenario } from './app.ts';
import { checkAppearances } from './appearance.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { library } from './pages/library.ts';
import { trainPage } from './pages/train.ts';

scenario('tuning', (app) => {
  let dir: string;
  beforeAll(async () => {
    dir = await app.createCheckpoint('small-llama');
  });

  it('makes trials at both widths, checks the coordinates, and offers the values to training', async () => {
    const { page } = app;
    await library(page).visit();
    await library(page).openPath(dir);
    await checkpointPage(page).waitFor('small-llama');
    await page.getByRole('link', { name: 'Tune', exact: true }).click();
    await page.getByRole('button', { name: 'Start tuning' }).waitFor();
    await page.getByRole('textbox', { name: 'Text', exact: true }).fill(app.text);
    for (const [label, value] of Object.entries({
      Tokens: 1536,
      'Micro-batch size': 4,
      'Context length': 32,
    }))
      await page.getByLabel(label, { exact: true }).fill(String(value));
    await page.getByLabel('Trials', { exact: true }).fill('3');
    await page.getByLabel('Grow by', { exact: true }).selectOption({ label: 'HyperCloning' });
    await page.getByLabel('Transfer trials', { exact: true }).fill('1');
    await checkAppearances(page, 'tune');
    await page.getByRole('button', { name: 'Start tuning' }).click();
    await page.getByText('of the source’s').waitFor();
    await page.getByRole('img', { name: 'Loss over learning rate' }).waitFor();
    await page.getByRole('img', { name: 'Scale of activations over the width: µP' }).waitFor();
    expect(await page.getByRole('region', { name: 'Trials' }).getByRole('row').count()).toBe(5);
    await checkAppearances(page, 'tuning');
    const [folder] = readdirSync(join(app.home, 'tunings'));
    for (const file of ['tune.json', 'report.html'])
      expect(existsSync(join(app.home, 'tunings', folder!, file)), file).toBe(true);

    await library(page).visit();
    await library(page).openPath(dir);
    await checkpointPage(page).train();
    await trainPage(page).waitFor('small-llama');
    const offer = page.getByRole('region', { name: 'Tuned values' });
    expect(await offer.textContent()).toContain('from small-llama');
    await offer.getByRole('button', { name: 'Use the tuned values' }).click();
    await offer.getByRole('button', { name: 'Use the defaults' }).waitFor();
  });
});
