/** @file A bake-off on the page: plan, pause, resume, result, and the run that the best probe becomes. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { scenario } from './app.ts';
import { checkAppearances } from './appearance.ts';
import { bakeoffPage } from './pages/bakeoff.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { library } from './pages/library.ts';

/** Probes of 16 steps, and a run of 40. */
const fields = {
  Seeds: 1,
  'Learning rates': 'Three',
  'Tokens of a probe': 16 * 4 * 64,
  Tokens: 80 * 4 * 64,
  'Micro-batch size': 4,
  'Context length': 64,
  'Warmup steps': 2,
  'Held-out fraction': 0.2,
};
const methods = ['HyperCloning', 'Copy and pad'];

scenario('a bake-off', (app) => {
  let dir: string;
  beforeAll(async () => {
    dir = await app.createCheckpoint('small-llama');
  });

  it('is planned, paused, resumed and finished, and its best probe is trained on', async () => {
    const { page } = app;
    await library(page).visit();
    await library(page).openPath(dir);
    await checkpointPage(page).waitFor('small-llama');
    await page.getByRole('link', { name: 'Compare methods' }).click();
    const form = bakeoffPage(page);
    await form.waitFor('small-llama');
    await form.fill(app.text, fields, methods);
    const candidates = await form.plan();
    expect(candidates).toEqual(['HyperCloning', 'Copy and pad', 'Random weights', 'Source, trained on']);
    await checkAppearances(page, 'bakeoff');
    await form.start();

    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await page.getByRole('button', { name: 'Resume', exact: true }).click();
    await page.getByRole('heading', { name: 'Result' }).waitFor({ timeout: 200_000 });
    await page.getByRole('heading', { name: 'At equal FLOPs' }).waitFor();
    const table = page.getByRole('region', { name: /^At equal tokens/ });
    expect(await table.getByRole('rowheader').count()).toBe(4);
    await checkAppearances(page, 'bakeoff-report');

    const home = join(app.home, 'bakeoffs');
    const [folder] = readdirSync(home);
    const read = (name: string): string => readFileSync(join(home, folder!, name), 'utf8');
    expect(JSON.parse(read('report.json'))).toMatchObject({ version: 1, seeds: [0] });
    expect(read('report.html')).toContain('Held-out loss over tokens');

    await page.getByRole('button', { name: 'Train it on' }).click();
    await page.getByTestId('run-state').waitFor();
    await page.getByTestId('run-state').filter({ hasText: 'Finished' }).waitFor({ timeout: 120_000 });
  });
});
