/**
 * @file `npm run bench [train|grow|estimate|runs|page]`: training and growth compared with PyTorch, estimates compared
 * with measurements, large run folders, and the page in a browser. `grow --size 1` or `4` is the size of the source in
 * GB. Every figure is measured in its own process.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPython } from '../parity/python.ts';
import { growCases } from './cases.ts';
import { benchEstimates } from './estimate.ts';
import { benchGrowth } from './grow.ts';
import { benchPage } from './page.ts';
import { benchRuns } from './runs.ts';
import { benchTraining } from './train.ts';

const only = process.argv[2];
const includes = (name: string): boolean => only === undefined || only === name;
const sizeFlag = process.argv.indexOf('--size');
const sizes = sizeFlag < 0 ? Object.keys(growCases) : [process.argv[sizeFlag + 1]!];

let python: string | undefined;
/** Installs Python on first use: only comparisons with PyTorch need it. */
const getPython = (): string => (python ??= findPython());

const scratch = mkdtempSync(join(process.env['CAMBIUM_BENCH_DIR'] ?? tmpdir(), 'cambium-bench-'));
try {
  if (includes('train')) await benchTraining({ scratch, rounds: 3, usesCpuTime: false });
  if (includes('grow')) await benchGrowth(scratch, sizes, getPython);
  if (includes('estimate')) await benchEstimates(scratch);
  if (includes('runs')) benchRuns(scratch);
  if (includes('page')) await benchPage();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
