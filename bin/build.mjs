#!/usr/bin/env node
/**
 * @file npm run build: runs electron-vite and records the modification time of the sources. `--if-stale`
 * builds only if the sources have changed since; `--quiet` prints the output of electron-vite only if it
 * fails. All output goes to standard error.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildStamp, commandPath, ensureNode24, isBuildStale, root, sourceTime } from './toolchain.mjs';

const lock = join(root, 'out', 'building');
const lockTimeout = 120_000;
const sleepCell = new Int32Array(new SharedArrayBuffer(4));

/**
 * Waits until no other build is running: two commands started together must not write the same output. A
 * lock older than two minutes belongs to a build that was killed, and is removed.
 */
function acquireLock() {
  mkdirSync(dirname(lock), { recursive: true });
  for (;;) {
    try {
      mkdirSync(lock);
      return;
    } catch {
      // The folder exists: another build holds the lock.
    }
    const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
    if (since !== undefined && Date.now() - since > lockTimeout) {
      rmSync(lock, { recursive: true, force: true });
    }
    Atomics.wait(sleepCell, 0, 0, 100);
  }
}

function build(quiet) {
  const time = sourceTime();
  if (quiet) process.stderr.write('Building Cambium (once, a few seconds)…\n');
  const result = spawnSync(process.execPath, [commandPath('electron-vite'), 'build'], {
    cwd: root,
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2],
    encoding: 'utf8',
  });
  if (result.status !== 0) {
    if (quiet) process.stderr.write(`${result.stdout}${result.stderr}`);
    process.exitCode = result.status ?? 1;
  } else if (existsSync(join(root, 'out', 'main', 'cli.js'))) {
    writeFileSync(buildStamp, `${JSON.stringify({ sources: time, at: new Date().toISOString() })}\n`);
  }
}

await ensureNode24();
const onlyIfStale = process.argv.includes('--if-stale');
const quiet = process.argv.includes('--quiet');
if (!onlyIfStale || isBuildStale()) {
  acquireLock();
  try {
    // Another process may have built while this one waited for the lock.
    if (!onlyIfStale || isBuildStale()) build(quiet);
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}
