#!/usr/bin/env node
/**
 * @file npm run types: type-checks each environment (std, node, desktop, dom), then the Svelte components
 * unless `--no-svelte` is given. Runs all checks and exits with the code of the first that failed.
 */
import { spawnSync } from 'node:child_process';
import { commandPath, ensureNode24, root } from './toolchain.mjs';

/** Runs one check, prints its result and duration, and returns its exit code. */
function check(name, command, ...args) {
  const start = performance.now();
  const { status } = spawnSync(process.execPath, [command, ...args], { cwd: root, stdio: 'inherit' });
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${status === 0 ? '✓' : '✗'} ${name}  ${seconds} s`);
  return status ?? 1;
}

await ensureNode24();
const tsc = commandPath('typescript', 'tsc');
const codes = ['std', 'node', 'desktop', 'dom'].map((name) =>
  check(`tsc ${name}`, tsc, '-p', `tsconfig.${name}.json`),
);
if (!process.argv.includes('--no-svelte')) {
  const options = ['--tsconfig', './tsconfig.dom.json', '--fail-on-warnings', '--output', 'human'];
  codes.push(check('svelte-check', commandPath('svelte-check'), ...options));
}
process.exit(codes.find((code) => code !== 0) ?? 0);
