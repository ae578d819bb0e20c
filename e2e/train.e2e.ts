/**
 * @file Training in the page: live loss, a reload and a closed page that find it running, pause and resume,
 * the end with its sample, export, and the export opened again.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { scenario } from './app.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { alertOf, medianOf, paintTimes } from './pages/frame.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

/** A run that would take an hour: it ends when it is told to. */
const long = {
  Tokens: 50_000_000,
  Batch: 4,
  Sequence: 64,
  'Learning rate': 0.003,
  'Sample every': 0,
  'Evaluate every': 0,
};
/** A run of 40 steps. */
const short = {
  ...long,
  Tokens: 40 * 4 * 64,
  'Warm-up': 5,
  'Evaluate every': 20,
  'Save every': 20,
  'Sample every': 20,
};

scenario('training', (app) => {
  let dir: string;
  beforeAll(async () => {
    dir = await app.checkpoint('small-llama');
  });

  async function start(settings: typeof long, name: string, text = app.text): Promise<void> {
    const { page } = app;
    await library(page).visit();
    await library(page).type(dir);
    await checkpointPage(page).opened('small-llama');
    await checkpointPage(page).train();
    await trainPage(page).opened('small-llama');
    await trainPage(page).fill(text, settings, name);
    await trainPage(page).start();
    await page.getByTestId('run-state').waitFor();
  }
  const events = (run: string): { at: string; step?: number; loss?: number }[] =>
    readFileSync(join(app.home, 'runs', run, 'events.jsonl'), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { at: string; step?: number; loss?: number });

  it('refuses a text that is not there', async () => {
    const { page } = app;
    await library(page).type(dir);
    await checkpointPage(page).train();
    await trainPage(page).fill(join(app.dir, 'nowhere.txt'), {});
    await trainPage(page).start();
    expect(await alertOf(page)).toMatch(/nowhere\.txt does not exist\. Check the path/);
  });

  it('says what follows from the settings', async () => {
    const { page } = app;
    const aside = page.getByRole('complementary', { name: 'What follows' });
    await trainPage(page).fill(app.text, { Tokens: '10k', Batch: 4, Sequence: 64, Accumulate: 2 });
    await aside
      .locator('dl > div')
      .filter({ hasText: /^Tokens per step\s*512$/ })
      .waitFor();
    await aside
      .locator('dl > div')
      .filter({ hasText: /^Steps\s*20$/ })
      .waitFor();
  });

  let before: Awaited<ReturnType<ReturnType<typeof runPage>['reaches']>>;
  it('starts and shows the loss as it comes', async () => {
    await start(long, 'the long one');
    const run = runPage(app.page);
    await run.is('Training');
    const first = await run.reaches(2);
    before = await run.reaches(first.last.step + 3);
    expect(before.first.step).toBe(1);
    const told = events('the-long-one').find((e) => e.at === 'step')!;
    expect(before.first.loss).toBeCloseTo(told.loss!, 3);
    await app.page
      .getByRole('region', { name: 'Under way' })
      .getByRole('link', { name: 'Training the long one' })
      .waitFor();
  });

  it('keeps the part of the chart that was zoomed into while points come', async () => {
    const { page } = app;
    const run = runPage(page);
    const labels = async (): Promise<readonly string[]> => {
      const [picture] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: /SVG.*loss/ }).click(),
      ]);
      return [...readFileSync(await picture.path(), 'utf8').matchAll(/<text[^>]*>([^<]*)</g)].map(
        (found) => found[1]!,
      );
    };
    const whole = await labels();
    const box = (await page.locator('.u-over').first().boundingBox())!;
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * 0.3, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, y, { steps: 4 });
    await page.mouse.up();
    const part = await labels();
    expect(part).not.toEqual(whole);
    await run.reaches((await run.curve())!.last.step + 3);
    expect(await labels()).toEqual(part);
    await page.locator('.u-over').first().dblclick();
  });

  it('is found running after a reload, with its earlier points', async () => {
    const { page } = app;
    const run = runPage(page);
    await page.reload();
    await run.is('Training');
    const after = await run.reaches(before.last.step + 2);
    expect(after.first).toEqual(before.first);
    await page.getByText('As a table').click();
    await page
      .getByRole('row')
      .filter({ has: page.getByRole('cell', { name: '1', exact: true }) })
      .first()
      .waitFor();
    before = after;
  });

  it('goes on while no page is open, and a new page finds it', async () => {
    const count = events('the-long-one').length;
    await app.page.context().close();
    await expect.poll(() => events('the-long-one').length, { timeout: 60_000 }).toBeGreaterThan(count + 3);
    const page = await app.open();
    await library(page)
      .runs.getByRole('link', { name: /the long one/ })
      .filter({ hasText: 'Training' })
      .click();
    const run = runPage(page);
    await run.is('Training');
    expect((await run.reaches(before.last.step + 3)).first).toEqual(before.first);
  });

  it('pauses, saved, and shows it on every page', async () => {
    const { page } = app;
    const run = runPage(page);
    await run.pause();
    await run.is('Paused');
    const end = events('the-long-one').at(-1)!;
    expect(end).toMatchObject({ at: 'stopped', reason: 'asked' });
    before = await run.reaches(end.step!);
    expect(before.last.step).toBe(end.step);
    await run.log.getByText('Saved').first().waitFor();
    await library(page).visit();
    await library(page)
      .runs.getByRole('link', { name: /the long one/ })
      .filter({ hasText: 'Paused' })
      .click();
    expect(await run.reaches(1)).toEqual(before);
  });

  it('resumes where it stopped and pauses from the strip above every page', async () => {
    const { page } = app;
    const run = runPage(page);
    await run.is('Paused');
    await run.resume();
    await run.is('Training');
    const after = await run.reaches(before.last.step + 3);
    expect(after.first).toEqual(before.first);
    const steps = events('the-long-one')
      .filter((e) => e.at === 'step')
      .map((e) => e.step);
    expect(steps).toEqual(steps.map((_, i) => i + 1));
    await run.log.getByText(`Went on from step`).first().waitFor();
    await library(page).visit();
    await page.getByRole('button', { name: 'Pause the long one' }).click();
    await library(page)
      .runs.getByRole('link', { name: /the long one/ })
      .filter({ hasText: 'Paused' })
      .waitFor();
    await expect.poll(() => page.getByRole('region', { name: 'Under way' }).count()).toBe(0);
  });

  it('ends by itself, with a sample and a held-out loss', async () => {
    const { page } = app;
    const run = runPage(page);
    await start(short, 'the short one');
    await run.is('Finished');
    const curve = await run.reaches(40);
    expect(curve.last.step).toBe(40);
    expect(curve.last.loss).toBeLessThan(curve.first.loss - 0.3);
    await run.samples.getByText('Step 40').waitFor();
    expect(await run.samples.getByRole('listitem').count()).toBe(2);
    expect(
      await page
        .getByRole('region', { name: 'Where it is' })
        .locator('dl > div')
        .filter({ hasText: 'Held-out loss' })
        .innerText(),
    ).toMatch(/\d\.\d/);
    expect(await page.getByRole('button', { name: /^(Pause|Resume)$/ }).count()).toBe(0);
  });

  it('exports what it became, and the export opens', async () => {
    const { page } = app;
    const out = await runPage(page).export();
    expect(out).toBe(join(app.home, 'exports', 'the-short-one-step-40'));
    expect(readdirSync(out)).toEqual(
      expect.arrayContaining(['config.json', 'model.safetensors', 'tokenizer.json', 'README.md']),
    );
    await runPage(page).exporting.getByRole('link', { name: 'Look at it' }).click();
    const checkpoint = checkpointPage(page);
    await checkpoint.opened('the-short-one-step-40');
    expect(await checkpoint.fact('Element type')).toBe('float32');
    const trained = await checkpoint.write(12);
    expect(trained.length).toBeGreaterThan('Once upon a time'.length);
    await library(page).visit();
    await library(page)
      .checkpoints.getByRole('link', { name: /the-short-one-step-40/ })
      .waitFor();
  });

  it('fails with a sentence when the text turns out too short, and the run stays to be looked at', async () => {
    const { page } = app;
    const few = join(app.dir, 'few.txt');
    writeFileSync(few, 'Too little to learn from.');
    await library(page).visit();
    await start(short, 'the little one', few);
    await runPage(page).is('Failed');
    expect(await alertOf(page)).toMatch(
      /few\.txt gives \d+ tokens but 65 are needed\. Give more text, or shorten the sequence\./,
    );
  });

  it('answers while an engine works flat out', async () => {
    dir = await app.checkpoint('heavy', 'llama', {
      dims: { hidden: 256, heads: 8, kv_heads: 4, group: 2, head_dim: 32, ffn: 1024, layers: 6 },
    });
    const { page } = app;
    const run = runPage(page);
    await library(page).visit();
    await library(page).type(dir);
    await checkpointPage(page).opened('heavy');
    await checkpointPage(page).train();
    await trainPage(page).fill(app.text, { ...long, Batch: 16, Sequence: 128 }, 'the heavy one');
    await trainPage(page).start();
    await run.reaches(2);
    // From the press of a button to the page as it will be painted; a call to the service and back; a page
    // that reads a checkpoint.
    const pressed = await paintTimes(
      page,
      Array.from(
        { length: 40 },
        (_, i) => `document.querySelectorAll('[aria-label="Over"] button')[${i % 2}].click();`,
      ),
    );
    const opened: number[] = [];
    for (let i = 0; i < 12; i++) {
      await library(page).visit();
      const since = performance.now();
      await library(page).checkpoints.getByRole('link', { name: /heavy/ }).click();
      await checkpointPage(page).opened('heavy');
      opened.push(performance.now() - since);
    }
    const told = (times: readonly number[]): string =>
      `median ${medianOf(times).toFixed(0)} ms, longest ${Math.max(...times).toFixed(0)} ms`;
    console.log(
      `while an engine works flat out: a press ${told(pressed)}; a checkpoint opened and shown ${told(opened)}`,
    );
    await library(page).visit();
    await library(page)
      .runs.getByRole('link', { name: /the heavy one/ })
      .filter({ hasText: 'Training' })
      .click();
    await run.pause();
    await run.is('Paused');
  });
});
