#!/usr/bin/env node
/**
 * @file npm run verify: runs every check and test suite except gpu and parity, fastest first, stops at the
 * first failure and prints the duration of each stage. `--from STAGE` skips the stages before STAGE.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { commandPath, ensureNode24, root } from './toolchain.mjs';

await ensureNode24();
const script = (name) => join(root, 'bin', name);
const vitest = (project) => [commandPath('vitest'), 'run', '--project', project];
const stages = [
  ['types', script('types.mjs'), '--no-svelte'],
  ['format', commandPath('prettier'), '--check', '.', '--log-level', 'warn'],
  ['lint', commandPath('eslint'), '.', '--max-warnings', '0'],
  ['std', ...vitest('std')],
  ['cpu', ...vitest('cpu')],
  ['service', ...vitest('service')],
  ['dom', ...vitest('dom')],
  ['standin', join(root, 'tests/gpu/standin/run.ts')],
  ['svelte-check', commandPath('svelte-check'), '--tsconfig', './tsconfig.dom.json', '--fail-on-warnings'],
  ['build', script('build.mjs')],
  ['e2e', ...vitest('e2e')],
];

/** Index of the stage named by `--from`; 0 without it. */
function firstStage() {
  const flag = process.argv.indexOf('--from');
  if (flag < 0) return 0;
  const name = process.argv[flag + 1];
  const index = stages.findIndex(([stage]) => stage === name);
  if (index < 0) {
    const names = stages.map(([stage]) => stage).join(', ');
    console.error(`Unknown stage ${name ?? '(none given)'}. The stages are ${names}.`);
    process.exit(2);
  }
  return index;
}

const results = [];
for (const [name, ...command] of stages.slice(firstStage())) {
  console.log(`\n▸ ${name}`);
  const start = performance.now();
  const { status } = spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' });
  results.push({ name, seconds: (performance.now() - start) / 1000, passed: status === 0 });
  if (status !== 0) break;
}
console.log('');
for (const { name, seconds, passed } of results) {
  console.log(`${passed ? '✓' : '✗'} ${name.padEnd(14)}${seconds.toFixed(1).padStart(7)} s`);
}
process.exit(results.every(({ passed }) => passed) ? 0 : 1);
