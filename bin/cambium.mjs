#!/usr/bin/env node
/** @file The `cambium` command: builds Cambium if its sources have changed, then runs it under Node 24. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureNode24, isBuildStale, root } from './toolchain.mjs';

await ensureNode24();
// A packaged installation contains the build but not the sources.
const hasSources = existsSync(join(root, 'electron.vite.config.ts'));
if (hasSources && isBuildStale()) {
  const build = [join(root, 'bin', 'build.mjs'), '--if-stale', '--quiet'];
  const { status } = spawnSync(process.execPath, build, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1);
}
await import(pathToFileURL(join(root, 'out', 'main', 'cli.js')).href);
