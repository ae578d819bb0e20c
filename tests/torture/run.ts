/**
 * @file `npm run torture -- NAME [--count N] [--seed N] [ONLY…]`: repeats a test thousands of times with random
 * choices. Without a name it lists the tortures. A failure prints the seed that reproduces it.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { tortures } from './tortures.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: 'string' }, seed: { type: 'string', default: '1' } },
});
const [name, ...only] = positionals;
const load = name === undefined ? undefined : tortures[name];

async function list(): Promise<void> {
  for (const [each, loadEach] of Object.entries(tortures)) {
    const { promise, count } = await loadEach();
    console.log(`${each.padEnd(12)}${String(count).padStart(8)}  ${promise}`);
  }
}

if (!load) {
  if (name !== undefined) console.error(`There is no torture "${name}".`);
  await list();
  process.exit(name === undefined ? 0 : 2);
}
const torture = await load();
const count = values.count === undefined ? torture.count : Number(values.count);
const seed = Number(values.seed);
if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed)) {
  console.error('--count and --seed are whole numbers.');
  process.exit(2);
}
/** The folder of Linux that is in memory. */
const memory = '/dev/shm';
const parent = torture.inMemory === true && existsSync(memory) ? memory : tmpdir();
const scratch = mkdtempSync(join(parent, `cambium-torture-${name!}-`));
const start = performance.now();
let failures: readonly string[];
try {
  console.log(`${torture.promise}\n${count} times, seed ${seed}`);
  const report = await torture.run({ count, seed, only, scratch, note: (line) => console.log(line) });
  ({ failures } = report);
  for (const line of report.lines) console.log(line);
} finally {
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
}
for (const failure of failures) console.error(`✗ ${failure}`);
const seconds = ((performance.now() - start) / 1000).toFixed(0);
console.log(failures.length === 0 ? `✓ all held, ${seconds} s` : `✗ ${failures.length} failed, ${seconds} s`);
process.exit(failures.length === 0 ? 0 : 1);
