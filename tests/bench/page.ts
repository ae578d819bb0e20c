/**
 * @file `npm run bench page`: what a person waits for in Chromium. A press is painted while an engine trains on all
 * cores, and a run of a million steps is opened and zoomed. Needs `npm run build` and a Chromium.
 */
import { mkdtempSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { App } from '../../e2e/app.ts';
import { createHost } from '../../e2e/host.ts';
import { checkpointPage } from '../../e2e/pages/checkpoint.ts';
import { library } from '../../e2e/pages/library.ts';
import { runPage } from '../../e2e/pages/run.ts';
import { trainPage } from '../../e2e/pages/train.ts';
import { writeRun } from './runs.ts';

/** The value that a share of `values` does not exceed. */
const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.ceil(values.length * share) - 1)]!;
const describe = (values: readonly number[]): string =>
  `median ${percentile(values, 0.5).toFixed(0)} ms, 95th percentile ${percentile(values, 0.95).toFixed(0)} ms, ` +
  `longest ${Math.max(...values).toFixed(0)} ms of ${values.length}`;

/**
 * Records the time from each press to the next paint (Event Timing API, in steps of 8 ms). Presses that were painted
 * within 16 ms are not reported.
 */
const recordPresses = `globalThis.presses = new Map();
new PerformanceObserver((list) => {
  for (const { interactionId, duration } of list.getEntries())
    if (interactionId)
      globalThis.presses.set(interactionId, Math.max(duration, globalThis.presses.get(interactionId) ?? 0));
}).observe({ type: 'event', durationThreshold: 16 });`;

/** CPU seconds of the page's thread so far. Other work on the machine does not change them. */
async function createCpuClock(page: Page): Promise<() => Promise<number>> {
  const client = await page.context().newCDPSession(page);
  await client.send('Performance.enable', { timeDomain: 'threadTicks' });
  return async () => {
    const { metrics } = await client.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')!.value;
  };
}

interface Presses {
  /** Milliseconds from each press to the paint after it. */
  readonly times: readonly number[];
  /** CPU milliseconds of the page per press, with all that it draws between two presses. */
  readonly cpu: number;
}

/** Presses each control once in every round. */
async function measurePresses(page: Page, rounds: number): Promise<Presses> {
  await page.evaluate(recordPresses);
  const targets = [
    ...['Tokens', 'FLOPs', 'Time', 'Steps'].map((name) =>
      page.getByRole('button', { name, exact: true }).first(),
    ),
    ...['Cost', 'Settings', 'Log', 'Metrics'].map((name) => page.getByRole('tab', { name, exact: true })),
    ...['Smoothed', 'Smoothed'].map((name) => page.getByRole('button', { name: new RegExp(`^${name}`) })),
  ];
  let count = 0;
  const readCpu = await createCpuClock(page);
  const before = await readCpu();
  for (let round = 0; round < rounds; round++)
    for (const target of targets) {
      await target.click();
      count++;
      await page.waitForTimeout(120);
    }
  const cpu = (1000 * ((await readCpu()) - before)) / count;
  const reported = await page.evaluate<readonly number[]>('[...globalThis.presses.values()]');
  const quick = Array.from({ length: Math.max(0, count - reported.length) }, () => 16);
  return { times: [...reported, ...quick], cpu };
}

async function benchPresses(app: App): Promise<void> {
  const { page } = app;
  page.setDefaultTimeout(300_000);
  const dir = await app.createCheckpoint('heavy', 'llama', {
    dims: { hidden: 256, heads: 8, kv_heads: 4, group: 2, head_dim: 32, ffn: 1024, layers: 6 },
  });
  await library(page).visit();
  await library(page).openPath(dir);
  await checkpointPage(page).waitFor('heavy');
  await checkpointPage(page).train();
  await trainPage(page).fill(app.text, {
    Tokens: 50_000_000,
    'Micro-batch size': 16,
    'Context length': 128,
    'Evaluate every': 0,
    'Sample every': 0,
  });
  await trainPage(page).start();
  await page.getByRole('img', { name: /^Loss over steps: from .* at step ([3-9]|\d\d+)\./ }).waitFor();
  const { times, cpu } = await measurePresses(page, 12);
  console.log(
    `  press to paint while an engine trains: ${describe(times)}; ${cpu.toFixed(1)} CPU ms per press`,
  );
  await runPage(page).pause();
  await page.getByTestId('run-state').filter({ hasText: 'Paused' }).waitFor();
}

/** Records when a canvas is drawn: uPlot clears it first. */
const recordDrawing = `globalThis.drawnAt = 0;
const { clearRect } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.clearRect = function (...args) {
  globalThis.drawnAt = performance.now();
  return clearRect.apply(this, args);
};`;

/** Opens a page of the app, and returns the milliseconds until the loss chart has been painted to its last step. */
const measureOpening = (page: Page, hash: string, lastStep: number): Promise<number> =>
  page.evaluate<number>(`new Promise((resolve) => {
    const start = performance.now();
    location.hash = '${hash}';
    const look = () => {
      const label = document.querySelector('[role=img][aria-label^="Loss over"]')?.getAttribute('aria-label') ?? '';
      if (label.includes('at step ${lastStep}.')) requestAnimationFrame(() => resolve(performance.now() - start));
      else requestAnimationFrame(look);
    };
    look();
  })`);

/** Zooms the loss chart into a share of what it shows, and returns the milliseconds until the last drawing. */
async function measureZoom(page: Page, share: number): Promise<number> {
  const box = (await page.locator('.u-over').first().boundingBox())!;
  const y = box.y + box.height / 2;
  const middle = box.x + box.width / 2;
  const half = Math.max(1, (box.width * share) / 2);
  await page.mouse.move(middle - half, y);
  await page.mouse.down();
  await page.mouse.move(middle + half, y, { steps: 3 });
  await page.evaluate(
    `addEventListener('mouseup', () => { globalThis.releasedAt = performance.now(); }, { once: true, capture: true })`,
  );
  await page.mouse.up();
  await page.waitForTimeout(2500);
  return page.evaluate<number>('globalThis.drawnAt - globalThis.releasedAt');
}

async function benchMillion(app: App): Promise<void> {
  const steps = 1_000_000;
  const runs = join(app.home, 'runs');
  writeRun(join(runs, 'million'), steps);
  const hash = `#/run?id=${encodeURIComponent(join(runs, 'million'))}`;
  const open = async (): Promise<number> => {
    const page = await app.openPage();
    await page.evaluate(recordDrawing);
    return measureOpening(page, hash, steps);
  };
  console.log(
    `  a run of 1,000,000 steps that nothing has read yet opens in ${(await open()).toFixed(0)} ms`,
  );
  await app.stopServer('SIGTERM');
  await app.startServer();
  console.log(`  opened before, in a new server: ${(await open()).toFixed(0)} ms`);
  for (const share of [0.6, 0.1, 0.1, 0.1]) {
    const milliseconds = await measureZoom(app.page, share);
    console.log(`  zoomed into ${100 * share} % of what is shown: ${milliseconds.toFixed(0)} ms`);
  }
}

export async function benchPage(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'cambium-bench-page-'));
  const host = createHost(dir);
  if (typeof host === 'string') throw new Error(host);
  console.log(`\nThe page in Chromium (load average ${loadavg()[0]!.toFixed(1)})`);
  const app = new App(dir, host);
  try {
    await app.start();
    await benchPresses(app);
    await benchMillion(app);
  } finally {
    await app.stop();
  }
}
