/**
 * @file Opens all run folders in a folder, as the service does for a new window: `open-runs.ts FOLDER`. Prints the
 * milliseconds for the list, for a chart of the first run and for 1,000 steps of it, and the longest time for
 * which nothing else could run.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { historyOf } from '../../src-main/store/run/history.ts';
import { summarizeRun } from '../../src-main/store/run/runs.ts';

const tickMs = 5;
let longestBlock = 0;
let lastTick = performance.now();
const timer = setInterval(() => {
  const now = performance.now();
  longestBlock = Math.max(longestBlock, now - lastTick - tickMs);
  lastTick = now;
}, tickMs);

async function time<T>(work: Promise<T>): Promise<{ result: T; ms: number }> {
  const start = performance.now();
  const result = await work;
  return { result, ms: performance.now() - start };
}

const home = process.argv[2]!;
const dirs = readdirSync(home).map((name) => join(home, name));
const first = dirs[0]!;
const list = await time(Promise.all(dirs.map((dir) => summarizeRun(dir))));
const chart = await time(historyOf(first));
const middle = Math.floor(list.result[0]!.step / 2);
const range = await time(historyOf(first, { from: middle, to: middle + 999 }));
clearInterval(timer);
const report = {
  listMs: list.ms,
  chartMs: chart.ms,
  chartEvents: chart.result.events.length,
  rangeMs: range.ms,
  rangeEvents: range.result.events.length,
  longestBlockMs: longestBlock,
};
console.log(JSON.stringify(report));
