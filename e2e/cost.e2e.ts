/**
 * @file What it costs, in the page and on the command line: told before, changed by what is assumed,
 * measured, counted while a run goes, stopped by a budget, and kept beside what came.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import type { CostRecord } from '../src-main/cost/record.ts';
import { patience, root, scenario, screenshots } from './app.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { growPage } from './pages/grow.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

const settings = {
  Tokens: 400 * 4 * 64,
  Batch: 4,
  Sequence: 64,
  'Learning rate': 0.003,
  'Warm-up': 5,
  'Sample every': 0,
  'Evaluate every': 0,
};

scenario('cost', (app) => {
  let dir: string;
  const time = () => app.page.getByTestId('cost-time');
  const offers = () => app.page.getByRole('region', { name: 'What it costs elsewhere' }).first();
  const seconds = async (): Promise<string> => {
    await expect.poll(() => time().innerText(), { timeout: patience }).toMatch(/\d/);
    return time().innerText();
  };
  const record = (run: string): CostRecord =>
    JSON.parse(readFileSync(join(app.home, 'runs', run, 'estimate.json'), 'utf8')) as CostRecord;
  async function asking(): Promise<void> {
    await library(app.page).visit();
    await library(app.page).type(dir);
    await checkpointPage(app.page).opened('small-llama');
    await checkpointPage(app.page).train();
    await trainPage(app.page).opened('small-llama');
  }
  const assume = async (label: string, value: number): Promise<void> => {
    const details = app.page.locator('details').filter({ hasText: 'What is assumed' });
    if ((await details.getAttribute('open')) === null) await details.locator('summary').click();
    await details.getByLabel(label, { exact: true }).fill(String(value));
  };

  beforeAll(async () => {
    dir = await app.checkpoint('small-llama');
    mkdirSync(screenshots, { recursive: true });
  });

  it('is told before anything starts, and follows the settings', async () => {
    await asking();
    await trainPage(app.page).fill(app.text, settings, 'the cheap one');
    const once = await seconds();
    await app.page.getByLabel('Tokens', { exact: true }).fill(String(4000 * 4 * 64));
    await expect.poll(() => time().innerText(), { timeout: patience }).not.toBe(once);
    expect(await app.page.getByTestId('cost-memory').innerText()).toMatch(/MB\s*fits/);
    const rows = offers().getByRole('row');
    await expect.poll(() => rows.count(), { timeout: patience }).toBeGreaterThan(4);
    expect(await rows.nth(2).innerText()).toMatch(/read 2026-\d\d-\d\d/);
  });

  it('takes the person\u2019s own price first, and keeps it', async () => {
    await assume('Your price', 36);
    await expect
      .poll(() => offers().getByRole('row').nth(1).innerText(), { timeout: patience })
      .toContain('your price, US$ 36 an hour');
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
        { timeout: patience },
      )
      .toEqual({ ownPrice: 36 });
    await app.page.reload();
    await expect
      .poll(() => offers().getByRole('row').nth(1).innerText(), { timeout: patience })
      .toContain('your price, US$ 36 an hour');
  });

  it('stands on what was measured, once it was', async () => {
    await app.page.getByRole('button', { name: 'Measure this device' }).click();
    await app.page.getByText(/rates measured here on/).waitFor();
    expect(await app.page.getByRole('button', { name: 'Measure this device' }).count()).toBe(0);
  });

  it('says what training will cost before a model is grown, beside random weights', async () => {
    await library(app.page).visit();
    await library(app.page).type(dir);
    await checkpointPage(app.page).opened('small-llama');
    await checkpointPage(app.page).grow();
    await growPage(app.page).plan.waitFor();
    const ahead = app.page.getByTestId('cost-ahead');
    await expect.poll(() => ahead.innerText(), { timeout: patience }).toMatch(/Here: .*\$.*memory/s);
    await expect.poll(() => ahead.innerText()).toMatch(/From random weights, .* tokens/);
  });

  it('counts while a run goes, and a budget stops it, saved', async () => {
    await asking();
    await trainPage(app.page).fill(
      app.text,
      { ...settings, 'Budget, tokens': 60 * 4 * 64 },
      'the bounded one',
    );
    await trainPage(app.page).start();
    const run = runPage(app.page);
    await run.is('Paused');
    await run.log.getByText('The budget is spent').waitFor();
    const cost = app.page.getByTestId('run-cost');
    await expect.poll(() => cost.innerText(), { timeout: patience }).toMatch(/\$ \d/);
    expect((await run.reaches(60)).last.step).toBe(60);
    expect(record('the-bounded-one').price).toMatchObject({ value: 36, unit: 'hour', source: 'your price' });
    await run.resume();
    await run.reaches(70);
    await run.is('Paused');
    expect((await run.reaches(120)).last.step).toBe(120);
  });

  it('keeps the estimate beside what came, and the next one learns from it', async () => {
    await asking();
    await trainPage(app.page).fill(app.text, settings, 'the whole one');
    await trainPage(app.page).start();
    const run = runPage(app.page);
    await run.is('Finished');
    await run.log.getByText(/A step takes/).waitFor();
    await expect
      .poll(() => app.page.getByTestId('run-cost').innerText(), { timeout: patience })
      .toMatch(/told to take .* and takes .*; memory was told as .* and came to/s);
    const kept = record('the-whole-one');
    expect(kept.came).toMatchObject({ steps: 400, tokens: 400 * 4 * 64 });
    expect(kept.came!.money).toBeCloseTo((36 * kept.came!.seconds) / 3600, 6);
    await asking();
    await app.page.getByText(/last (run|\d runs): within/).waitFor();
    await app.page.getByText(/corrected × [\d.]+ by earlier runs/).waitFor();
  });

  it('is the same on the command line, which needs no window', async () => {
    const told = (
      ...more: string[]
    ): {
      steps: number;
      offers: { own: boolean; price: unknown }[];
      flops: { total: number };
      scratch?: unknown;
    } =>
      JSON.parse(
        execFileSync(
          process.execPath,
          [join(root, 'bin', 'cambium.mjs'), 'estimate', dir, '--tokens', '1M', '--json', ...more],
          { encoding: 'utf8', env: { ...process.env, CAMBIUM_HOME: app.home, HOME: app.dir } },
        ),
      ) as never;
    const plain = told();
    const grown = told('--sizes', 'hidden=64,ffn=128');
    expect(plain.offers[0]).toMatchObject({ own: true, price: null });
    expect(grown.flops.total).toBeGreaterThan(2 * plain.flops.total);
    expect(grown.scratch).toBeDefined();
  });

  it.each(['Light', 'Dark'] as const)('looks right, %s', async (theme) => {
    await asking();
    await seconds();
    for (const width of [1440, 390]) {
      await app.page.setViewportSize({ width, height: 900 });
      await app.page
        .getByRole('group', { name: 'Theme' })
        .getByRole('button', { name: theme })
        .evaluate((button) => {
          (button as unknown as { click(): void }).click();
        });
      const picture = async (name: string, of: Locator): Promise<void> => {
        await of.screenshot({
          path: join(screenshots, `${name}-${theme.toLowerCase()}-${width}.png`),
          animations: 'disabled',
        });
      };
      await picture('cost-panel', app.page.getByRole('complementary', { name: 'What follows' }));
      await picture('cost-offers', offers());
      await app.page.goto(`${new URL(app.page.url()).origin}/#/run?id=the-whole-one`);
      await app.page.getByTestId('run-cost').waitFor();
      await picture('cost-run', app.page.getByRole('main'));
      await app.page.goto(`${new URL(app.page.url()).origin}/#/run?id=the-bounded-one`);
      await app.page.getByLabel('Foretold').waitFor();
      await picture('cost-forecast', app.page.getByRole('region', { name: 'Loss', exact: true }));
      await app.page.goBack();
      await app.page.goBack();
      await seconds();
      expect(
        await app.page.evaluate(
          'document.documentElement.scrollWidth - document.documentElement.clientWidth',
        ),
        `${width} px is too narrow`,
      ).toBe(0);
    }
    await app.page.setViewportSize({ width: 1280, height: 860 });
  });
});

if (process.env['CAMBIUM_DOCS'] === '1')
  scenario('the picture of what it costs', (app) => {
    it('is made from the built-in checkpoint', async () => {
      const { page } = app;
      await page.getByRole('button', { name: 'Light', exact: true }).click();
      await page.getByTestId('built-in').click();
      await checkpointPage(page).facts.waitFor();
      await checkpointPage(page).train();
      await page.getByRole('button', { name: 'Measure this device' }).click();
      await page.getByText(/rates measured here on/).waitFor();
      await page.getByLabel('Tokens', { exact: true }).fill('100000000');
      await expect
        .poll(() => page.getByTestId('cost-time').innerText(), { timeout: patience })
        .toMatch(/min|h/);
      await page.setViewportSize({ width: 1280, height: 860 });
      await page.screenshot({
        path: join(root, 'docs', 'images', 'cost.png'),
        fullPage: true,
        animations: 'disabled',
      });
    });
  });
