#!/usr/bin/env node
/** @file npx cambium …: builds itself on first use, then runs the command line under Node 24. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildIsOld, root, underNode24 } from './toolchain.mjs';

await underNode24();
// A packed installation has its build and no sources.
if (existsSync(join(root, 'electron.vite.config.ts')) && buildIsOld()) {
  const { status } = spawnSync(process.execPath, [join(root, 'bin', 'build.mjs'), '--if-old', '--quiet'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) process.exit(status ?? 1);
}
await import(pathToFileURL(join(root, 'out', 'main', 'cli.js')).href);
