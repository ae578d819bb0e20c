/** @file Tests of training on the page: the live loss, reload, pause and resume, the end, and the export. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { scenario } from './app.ts';
import { readDownload } from './downloads.ts';
import { checkpointPage } from './pages/checkpoint.ts';
import { readAlert, median, measurePaintTimes } from './pages/common.ts';
import { library } from './pages/library.ts';
import { runPage } from './pages/run.ts';
import { trainPage } from './pages/train.ts';

/** A run of an hour. */
const longRun = {
  Tokens: 50_000_000,
  'Micro-batch size': 4,
  'Context length': 64,
  'Learning rate': 0.003,
  'Sample every': 0,
  'Evaluate every': 0,
};
/** A run of 40 steps. */
const shortRun = {
  ...longRun,
  Tokens: 40 * 4 * 64,
  'Warmup steps': 5,
  'Evaluate every': 20,
  'Save every': 20,
  'Sample every': 20,
};

scenario('training', (app) => {
  let dir: string;
  beforeAll(async () => {
    dir = await app.createCheckpoint('small-llama');
  });

  async function start(settings: typeof longRun, name: string, text = app.text): Promise<void> {
    const { page } = app;
    await library(page).visit();
    await library(page).openPath(dir);
    await checkpointPage(page).waitFor('small-llama');
    await checkpointPage(page).train();
    await trainPage(page).waitFor('small-llama');
    await trainPage(page).fill(text, settings, name);
    await trainPage(page).start();
    await page.getByTestId('run-state').waitFor();
  }
  const readEvents = (run: string): { type: string; step?: number; loss?: number }[] =>
    readFileSync(join(app.home, 'runs', run, 'events.jsonl'), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { type: string; step?: number; loss?: number });

  it('shows an error for a text that does not exist', async () => {
    const { page } = app;
    await library(page).openPath(dir);
    await checkpointPage(page).train();
    await trainPage(page).fill(join(app.dir, 'nowhere.txt'), {});
    await trainPage(page).start();
    expect(await readAlert(page)).toMatch(/nowhere\.txt does not exist\. Check the path/);
  });

  it('derives the steps from the settings', async () => {
    const { page } = app;
    const estimate = page.getByRole('complementary', { name: 'Estimate', exact: true });
    await trainPage(page).fill(app.text, {
      Tokens: '10k',
      'Micro-batch size': 4,
      'Context length': 64,
      'Gradient accumulation steps': 2,
    });
    await estimate
      .locator('dl > div')
      .filter({ hasText: /^Tokens per step\s*512$/ })
      .waitFor();
    await estimate
      .locator('dl > div')
      .filter({ hasText: /^Steps\s*20$/ })
      .waitFor();
  });

  let before: Awaited<ReturnType<ReturnType<typeof runPage>['waitForStep']>>;
  it('starts a run and shows its loss live', async () => {
    await start(longRun, 'the long one');
    const run = runPage(app.page);
    await run.waitForState('Training');
    const first = await run.waitForStep(2);
    before = await run.waitForStep(first.last.step + 3);
    expect(before.first.step).toBe(1);
    const firstStep = readEvents('the-long-one').find(({ type }) => type === 'step')!;
    expect(before.first.loss).toBeCloseTo(firstStep.loss!, 3);
    await app.page
      .getByRole('region', { name: 'Running', exact: true })
      .getByRole('link', { name: 'Training the long one' })
      .waitFor();
  });

  it('keeps the zoom of the chart while new steps arrive', async () => {
    const { page } = app;
    const run = runPage(page);
    const readLabels = async (): Promise<readonly string[]> => {
      const save = page.getByRole('button', { name: /SVG.*loss/ });
      const svg = (await readDownload(page, () => save.click())).toString();
      return [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(([, label]) => label!);
    };
    const wholeLabels = await readLabels();
    const chart = await page.locator('.u-over').first().elementHandle();
    const box = (await chart!.boundingBox())!;
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * 0.3, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, y, { steps: 4 });
    await page.mouse.up();
    const zoomedLabels = await readLabels();
    expect(zoomedLabels).not.toEqual(wholeLabels);
    await run.waitForStep((await run.readCurve())!.last.step + 3);
    expect(await readLabels()).toEqual(zoomedLabels);
    // The chart is the same one: to create it again with every step would lose the crosshair.
    expect(await chart!.boundingBox()).toEqual(box);
    await page.locator('.u-over').first().dblclick();
  });

  it('shows the running run with its earlier steps after a reload', async () => {
    const { page } = app;
    const run = runPage(page);
    await page.reload();
    await run.waitForState('Training');
    const after = await run.waitForStep(before.last.step + 2);
    expect(after.first).toEqual(before.first);
    await page.getByText('Data table').click();
    await page
      .getByRole('row')
      .filter({ has: page.getByRole('cell', { name: '1', exact: true }) })
      .first()
      .waitFor();
    before = after;
  });

  it('continues while no page is open', async () => {
    const count = readEvents('the-long-one').length;
    await app.closePage();
    await expect
      .poll(() => readEvents('the-long-one').length, { timeout: 60_000 })
      .toBeGreaterThan(count + 3);
    const page = await app.openPage();
    await library(page)
      .runs.getByRole('link', { name: /the long one/ })
      .filter({ hasText: 'Training' })
      .click();
    const run = runPage(page);
    await run.waitForState('Training');
    expect((await run.waitForStep(before.last.step + 3)).first).toEqual(before.first);
  });

  it('saves and pauses', async () => {
    const { page } = app;
    const run = runPage(page);
    await run.pause();
    await run.waitForState('Paused');
    const end = readEvents('the-long-one').at(-1)!;
    expect(end).toMatchObject({ type: 'stopped', reason: 'requested' });
    before = await run.waitForStep(end.step!);
    expect(before.last.step).toBe(end.step);
    await run.openTab('Log');
    await run.log.getByText('Saved').first().waitFor();
    await library(page).visit();
    await library(page)
      .runs.getByRole('link', { name: /the long one/ })
      .filter({ hasText: 'Paused' })
      .click();
    expect(await run.waitForStep(1)).toEqual(before);
  });

  it('resumes at the step where it stopped, and pauses from the bar of running jobs', async () => {
    const { page } = app;
    const run = runPage(page);
    await run.waitForState('Paused');
    await run.resume();
    await run.waitForState('Training');
    const after = await run.waitForStep(before.last.step + 3);
    expect(after.first).toEqual(before.first);
    const steps = readEvents('the-long-one')
      .filter(({ type }) => type === 'step')
      .map(({ step }) => step);
    expect(steps).toEqual(steps.map((_, i) => i + 1));
    await run.openTab('Log');
    await run.log.getByText('Resumed at step').first().waitFor();
    await library(page).visit();
    await page.getByRole('button', { name: 'Pause the long one' }).click();
    await library(page)
      .runs.getByRole('link', { name: /the long one/ })
      .filter({ hasText: 'Paused' })
      .waitFor();
    await expect.poll(() => page.getByRole('region', { name: 'Running', exact: true }).count()).toBe(0);
  });

  it('finishes with a sample and a held-out loss', async () => {
    const { page } = app;
    const run = runPage(page);
    await start(shortRun, 'the short one');
    await run.waitForState('Finished');
    const curve = await run.waitForStep(40);
    expect(curve.last.step).toBe(40);
    expect(curve.last.loss).toBeLessThan(curve.first.loss - 0.3);
    await run.openTab('Samples');
    await run.samples.getByText('Step 40').waitFor();
    expect(await run.samples.getByRole('listitem').count()).toBe(2);
    await page.getByRole('button', { name: 'Sample with the same prompt and seed' }).click();
    const sources = page.getByRole('region', { name: 'Samples of the source' });
    await sources.getByText('small-llama, the start of this run').waitFor();
    await expect
      .poll(async () => (await sources.getByRole('listitem').innerText()).length)
      .toBeGreaterThan('small-llama, the start of this run'.length + 20);
    expect(
      await page
        .getByRole('region', { name: 'Progress' })
        .locator('dl > div')
        .filter({ hasText: 'Held-out loss' })
        .innerText(),
    ).toMatch(/\d\.\d/);
    expect(await page.getByRole('button', { name: /^(Pause|Resume)$/ }).count()).toBe(0);
  });

  it('exports the model and opens the export', async () => {
    const { page } = app;
    const out = await runPage(page).exportModel();
    expect(out).toBe(join(app.home, 'exports', 'the-short-one-step-40'));
    expect(readdirSync(out)).toEqual(
      expect.arrayContaining(['config.json', 'model.safetensors', 'tokenizer.json', 'README.md']),
    );
    await runPage(page).exportForm.getByRole('link', { name: 'Open model' }).click();
    const checkpoint = checkpointPage(page);
    await checkpoint.waitFor('the-short-one-step-40');
    expect(await checkpoint.readFact('Element type')).toBe('float32');
    const text = await checkpoint.generate(12);
    expect(text.length).toBeGreaterThan('Once upon a time'.length);
    await library(page).visit();
    await library(page)
      .exports.getByRole('link', { name: /the-short-one-step-40/ })
      .waitFor();
  });

  it('refuses a text that is too short before the run exists', async () => {
    const { page } = app;
    const shortText = join(app.dir, 'few.txt');
    writeFileSync(shortText, 'Too little to learn from.');
    await library(page).visit();
    await library(page).openPath(dir);
    await checkpointPage(page).waitFor('small-llama');
    await checkpointPage(page).train();
    await trainPage(page).waitFor('small-llama');
    await trainPage(page).fill(shortText, shortRun, 'the little one');
    await trainPage(page).start();
    expect(await readAlert(page)).toMatch(
      /few\.txt has \d+ tokens but 65 are needed\. Add more text, or shorten the context length\./,
    );
    expect(readdirSync(join(app.home, 'runs'))).not.toContain('the-little-one');
  });

  it('stays responsive while an engine is busy', async () => {
    dir = await app.createCheckpoint('heavy', 'llama', {
      dims: { hidden: 256, heads: 8, kv_heads: 4, group: 2, head_dim: 32, ffn: 1024, layers: 6 },
    });
    const { page } = app;
    const run = runPage(page);
    await library(page).visit();
    await library(page).openPath(dir);
    await checkpointPage(page).waitFor('heavy');
    await checkpointPage(page).train();
    await trainPage(page).fill(
      app.text,
      { ...longRun, 'Micro-batch size': 16, 'Context length': 128 },
      'the heavy one',
    );
    await trainPage(page).start();
    await run.waitForStep(2);
    // From a click to the next layout; and from a click to a page that loads a checkpoint.
    const clickTimes = await measurePaintTimes(
      page,
      Array.from(
        { length: 40 },
        (_, i) => `document.querySelectorAll('[aria-label="X axis"] button')[${i % 2}].click();`,
      ),
    );
    const openTimes: number[] = [];
    for (let i = 0; i < 12; i++) {
      await library(page).visit();
      const start = performance.now();
      await library(page).checkpoints.getByRole('link', { name: /heavy/ }).click();
      await checkpointPage(page).waitFor('heavy');
      openTimes.push(performance.now() - start);
    }
    const describe = (times: readonly number[]): string =>
      `median ${median(times).toFixed(0)} ms, longest ${Math.max(...times).toFixed(0)} ms`;
    console.log(`while an engine is busy: click ${describe(clickTimes)}; open ${describe(openTimes)}`);
    await library(page).visit();
    await library(page)
      .runs.getByRole('link', { name: /the heavy one/ })
      .filter({ hasText: 'Training' })
      .click();
    await run.pause();
    await run.waitForState('Paused');
  });
});
