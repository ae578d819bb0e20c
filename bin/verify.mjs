#!/usr/bin/env node
/**
 * @file npm run verify: everything that must hold before a commit, cheapest first; stops at the first failure
 * and prints each stage's time. `--from STAGE` begins there.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { commandOf, root, underNode24 } from './toolchain.mjs';

await underNode24();
const vitest = commandOf('vitest');
const own = (name) => join(root, 'bin', name);
const stages = [
  ['types', own('types.mjs'), '--no-svelte'],
  ['format', commandOf('prettier'), '--check', '.', '--log-level', 'warn'],
  ['lint', commandOf('eslint'), '.', '--max-warnings', '0'],
  ['std', vitest, 'run', '--project', 'std'],
  ['cpu', vitest, 'run', '--project', 'cpu'],
  ['service', vitest, 'run', '--project', 'service'],
  ['dom', vitest, 'run', '--project', 'dom'],
  ['svelte-check', commandOf('svelte-check'), '--tsconfig', './tsconfig.dom.json', '--fail-on-warnings'],
  ['build', own('build.mjs')],
  ['e2e', vitest, 'run', '--project', 'e2e'],
];
const from = process.argv.indexOf('--from');
const first = from < 0 ? 0 : stages.findIndex(([name]) => name === process.argv[from + 1]);
if (first < 0) {
  console.error(`There is no such stage; they are ${stages.map(([name]) => name).join(', ')}.`);
  process.exit(2);
}
const times = [];
for (const [name, ...command] of stages.slice(first)) {
  console.log(`\n▸ ${name}`);
  const start = performance.now();
  const { status } = spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' });
  times.push([name, (performance.now() - start) / 1000, status === 0]);
  if (status !== 0) break;
}
console.log(
  `\n${times.map(([name, seconds, ok]) => `${ok ? '✓' : '✗'} ${name.padEnd(14)}${seconds.toFixed(1).padStart(7)} s`).join('\n')}`,
);
process.exit(times.every(([, , ok]) => ok) ? 0 : 1);
