/**
 * @file Tests of cost estimates on the page and the command line: assumptions, measured speeds, budgets, and the
 * comparison with actual figures.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import type { CostRecord } from '../src-main/cost/record.ts';
import { timeout, root, scenario, screenshots } from './app.ts';
import { expectNoOverflow, setTheme, themes } from './appearance.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { growPage } from './pages/grow.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

const settings = {
  Tokens: 400 * 4 * 64,
  'Micro-batch size': 4,
  'Context length': 64,
  'Learning rate': 0.003,
  'Warmup steps': 5,
  'Sample every': 0,
  'Evaluate every': 0,
};

scenario('cost', (app) => {
  let dir: string;
  const timeFigure = () => app.page.getByTestId('cost-time');
  const priceTable = () => app.page.getByRole('region', { name: 'Cost by device' }).first();
  const readTime = async (): Promise<string> => {
    await expect.poll(() => timeFigure().innerText(), { timeout }).toMatch(/\d/);
    return timeFigure().innerText();
  };
  const readRecord = (run: string): CostRecord =>
    JSON.parse(readFileSync(join(app.home, 'runs', run, 'estimate.json'), 'utf8')) as CostRecord;
  async function openForm(): Promise<void> {
    await library(app.page).visit();
    await library(app.page).openPath(dir);
    await checkpointPage(app.page).waitFor('small-llama');
    await checkpointPage(app.page).train();
    await trainPage(app.page).waitFor('small-llama');
  }
  const setAssumption = async (label: string, value: number): Promise<void> => {
    const details = app.page.locator('details').filter({ hasText: 'Assumptions' });
    if ((await details.getAttribute('open')) === null) await details.locator('summary').click();
    await details.getByLabel(label, { exact: true }).fill(String(value));
  };

  beforeAll(async () => {
    dir = await app.createCheckpoint('small-llama');
    mkdirSync(screenshots, { recursive: true });
  });

  it('estimates a run before it starts, and again when settings change', async () => {
    await openForm();
    await trainPage(app.page).fill(app.text, settings, 'the cheap one');
    const before = await readTime();
    await app.page.getByLabel('Tokens', { exact: true }).fill(String(4000 * 4 * 64));
    await expect.poll(() => timeFigure().innerText(), { timeout }).not.toBe(before);
    expect(await app.page.getByTestId('cost-memory').innerText()).toMatch(/MB\s*fits/);
    const rows = priceTable().getByRole('row');
    await expect.poll(() => rows.count(), { timeout }).toBeGreaterThan(4);
    expect(await rows.nth(2).innerText()).toMatch(/as of 2026-\d\d-\d\d/);
  });

  it('lists the own price first, and saves it', async () => {
    await setAssumption('Your price', 36);
    await expect
      .poll(() => priceTable().getByRole('row').nth(1).innerText(), { timeout })
      .toContain('your price, US$ 36 per hour');
    await expect
      .poll(
        () => {
          try {
            return (
              JSON.parse(readFileSync(join(app.home, 'costs.json'), 'utf8')) as { assumptions: unknown }
            ).assumptions;
          } catch {
            return undefined;
          }
        },
        { timeout },
      )
      .toEqual({ ownPrice: 36 });
    await app.page.reload();
    await expect
      .poll(() => priceTable().getByRole('row').nth(1).innerText(), { timeout })
      .toContain('your price, US$ 36 per hour');
  });

  it('uses the speed of a device after it was measured', async () => {
    await app.page.getByRole('button', { name: 'Measure this device' }).click();
    await app.page.getByText(/rates measured here on/).waitFor();
    expect(await app.page.getByRole('button', { name: 'Measure this device' }).count()).toBe(0);
  });

  it('estimates training before a model is grown, and training from random weights', async () => {
    await library(app.page).visit();
    await library(app.page).openPath(dir);
    await checkpointPage(app.page).waitFor('small-llama');
    await checkpointPage(app.page).grow();
    await growPage(app.page).plan.waitFor();
    const estimate = app.page.getByTestId('training-estimate');
    await expect.poll(() => estimate.innerText(), { timeout }).toMatch(/This computer: .*\$.*memory/s);
    await expect
      .poll(() => estimate.innerText())
      .toContain('From random weights: no estimate, because the number of tokens');
  });

  it('counts the cost of a run, and saves and stops it when its budget is spent', async () => {
    await openForm();
    await trainPage(app.page).fill(app.text, { ...settings, 'Token budget': 60 * 4 * 64 }, 'the bounded one');
    await trainPage(app.page).start();
    const run = runPage(app.page);
    await run.waitForState('Paused');
    await run.openTab('Log');
    await run.log.getByText('The token budget is spent').waitFor();
    await run.openTab('Cost');
    const cost = app.page.getByTestId('run-cost');
    await expect.poll(() => cost.innerText(), { timeout }).toMatch(/\$\d/);
    expect((await run.waitForStep(60)).last.step).toBe(60);
    expect(readRecord('the-bounded-one').price).toMatchObject({
      value: 36,
      unit: 'hour',
      source: 'your price',
    });
    await run.resume();
    await run.waitForStep(70);
    await run.waitForState('Paused');
    expect((await run.waitForStep(120)).last.step).toBe(120);
  });

  it('compares a run with its estimate, and corrects the next estimate', async () => {
    await openForm();
    await trainPage(app.page).fill(app.text, settings, 'the complete one');
    await trainPage(app.page).start();
    const run = runPage(app.page);
    await run.waitForState('Finished');
    await run.openTab('Log');
    await run.log.getByText(/A step takes/).waitFor();
    await run.openTab('Cost');
    await expect
      .poll(() => app.page.getByTestId('run-cost').innerText(), { timeout })
      .toMatch(/Step time: .* estimated, .* actual \(.*\)\. Memory: .* estimated, .* actual/s);
    const { actual } = readRecord('the-complete-one');
    expect(actual).toMatchObject({ steps: 400, tokens: 400 * 4 * 64 });
    expect(actual!.cost).toBeCloseTo((36 * actual!.seconds) / 3600, 6);
    await openForm();
    await app.page.getByText(/last (run|\d runs): within/).waitFor();
    await app.page.getByText(/corrected × [\d.]+ by earlier runs/).waitFor();
  });

  it('estimates on the command line', async () => {
    const runEstimate = (
      ...more: string[]
    ): {
      steps: number;
      offers: { own: boolean; price: unknown }[];
      flops: { total: number };
      scratchRefusal?: string;
    } =>
      JSON.parse(
        execFileSync(
          process.execPath,
          [join(root, 'bin', 'cambium.mjs'), 'estimate', dir, '--tokens', '1M', '--json', ...more],
          { encoding: 'utf8', env: { ...process.env, CAMBIUM_HOME: app.home, HOME: app.dir } },
        ),
      ) as never;
    const plain = runEstimate();
    const grown = runEstimate('--sizes', 'hidden=64,ffn=128');
    expect(plain.offers[0]).toMatchObject({ own: true, price: null });
    expect(grown.flops.total).toBeGreaterThan(2 * plain.flops.total);
    expect(grown.scratchRefusal).toContain('the number of tokens that the source was trained on');
  });

  it.each(themes)('fits the window in the %s theme', async (theme) => {
    await openForm();
    await readTime();
    for (const width of [1440, 390]) {
      await app.page.setViewportSize({ width, height: 900 });
      await setTheme(app.page, theme);
      const takeScreenshot = async (name: string, of: Locator): Promise<void> => {
        await of.screenshot({
          path: join(screenshots, `${name}-${theme.toLowerCase()}-${width}.png`),
          animations: 'disabled',
        });
      };
      await takeScreenshot(
        'cost-panel',
        app.page.getByRole('complementary', { name: 'Estimate', exact: true }),
      );
      await takeScreenshot('cost-prices', priceTable());
      await app.goTo('run?id=the-complete-one');
      await runPage(app.page).openTab('Cost');
      await app.page.getByTestId('run-cost').waitFor();
      await takeScreenshot('cost-run', app.page.getByRole('main'));
      await app.goTo('run?id=the-bounded-one');
      await app.page.getByRole('img', { name: /^Loss/ }).waitFor();
      await takeScreenshot('cost-forecast', app.page.getByRole('region', { name: 'Loss', exact: true }));
      await app.page.goBack();
      await app.page.goBack();
      await readTime();
      await expectNoOverflow(app.page, width);
    }
    await app.page.setViewportSize({ width: 1280, height: 860 });
  });
});

if (process.env['CAMBIUM_DOCS'] === '1')
  scenario('screenshot of the estimate', (app) => {
    it('is taken with the demo checkpoint', async () => {
      const { page } = app;
      await page.getByRole('button', { name: 'Light', exact: true }).click();
      await page.getByTestId('demo').click();
      await checkpointPage(page).facts.waitFor();
      await checkpointPage(page).train();
      await page.getByRole('button', { name: 'Measure this device' }).click();
      await page.getByText(/rates measured here on/).waitFor();
      await page.getByLabel('Tokens', { exact: true }).fill('100000000');
      await expect.poll(() => page.getByTestId('cost-time').innerText(), { timeout }).toMatch(/min|h/);
      await page.setViewportSize({ width: 1280, height: 860 });
      await page.screenshot({
        path: join(root, 'docs', 'images', 'cost.png'),
        fullPage: true,
        animations: 'disabled',
      });
    });
  });
