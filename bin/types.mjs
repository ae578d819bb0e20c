#!/usr/bin/env node
/**
 * @file npm run types: one compiler run per environment (std, node, desktop, dom), then the components. All
 * are run; the first failure decides the exit code.
 */
import { spawnSync } from 'node:child_process';
import { commandOf, root, underNode24 } from './toolchain.mjs';

await underNode24();
const run = (what, command, ...given) => {
  const start = performance.now();
  const { status } = spawnSync(process.execPath, [command, ...given], { cwd: root, stdio: 'inherit' });
  console.log(`${status === 0 ? '✓' : '✗'} ${what}  ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return status ?? 1;
};
const tsc = commandOf('typescript', 'tsc');
const results = ['std', 'node', 'desktop', 'dom'].map((name) =>
  run(`types of ${name}`, tsc, '-p', `tsconfig.${name}.json`),
);
if (!process.argv.includes('--no-svelte'))
  results.push(
    run(
      'svelte-check',
      commandOf('svelte-check'),
      '--tsconfig',
      './tsconfig.dom.json',
      '--fail-on-warnings',
      '--output',
      'human',
    ),
  );
process.exit(results.find((status) => status !== 0) ?? 0);
