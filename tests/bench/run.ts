/**
 * @file `npm run bench [train|grow|estimate]`: our training beside PyTorch's on the same batches, growth
 * beside the disk and the usual way in PyTorch (`grow --size 1` or `4`: GB of the source). Every figure is a
 * process of its own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { growCases } from './cases.ts';
import { estimates } from './estimate.ts';
import { growths } from './grow.ts';
import { benchRuns } from './runs.ts';
import { trainings } from './train.ts';
import { python as findPython } from '../parity/python.ts';

const scratch = mkdtempSync(join(process.env['CAMBIUM_BENCH_DIR'] ?? tmpdir(), 'cambium-bench-'));
const only = process.argv[2];
let found: string | undefined;
/** Only the comparisons with PyTorch need one. */
const python = (): string => (found ??= findPython());

try {
  if (only === undefined || only === 'train') await trainings({ scratch, rounds: 3, cpuSeconds: false });
  if (only === undefined || only === 'grow')
    await growths(
      scratch,
      process.argv.includes('--size')
        ? [process.argv[process.argv.indexOf('--size') + 1]!]
        : Object.keys(growCases),
      python,
    );
  if (only === undefined || only === 'estimate') await estimates(scratch);
  if (only === undefined || only === 'runs') benchRuns();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
