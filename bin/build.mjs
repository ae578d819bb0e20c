#!/usr/bin/env node
/**
 * @file npm run build: electron-vite, with a stamp that tells how new the sources were. `--if-old` builds
 * only when it must; output goes to standard error.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildIsOld, commandOf, root, sourceTime, stamp, underNode24 } from './toolchain.mjs';

await underNode24();
const wait = new Int32Array(new SharedArrayBuffer(4));
const lock = join(root, 'out', 'building');

/**
 * One build at a time: two commands started together must not write one output. A lock of a dead build is
 * old.
 */
function take() {
  mkdirSync(dirname(lock), { recursive: true });
  for (;;) {
    try {
      mkdirSync(lock);
      return;
    } catch {
      /* another is building */
    }
    const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
    if (since !== undefined && Date.now() - since > 120_000) rmSync(lock, { recursive: true, force: true });
    Atomics.wait(wait, 0, 0, 100);
  }
}

const onlyOld = process.argv.includes('--if-old');
const quiet = process.argv.includes('--quiet');
if (!onlyOld || buildIsOld()) {
  take();
  try {
    // Another build may have done it meanwhile.
    if (!onlyOld || buildIsOld()) {
      const time = sourceTime();
      if (quiet) process.stderr.write('Building Cambium (once, a few seconds)…\n');
      const done = spawnSync(process.execPath, [commandOf('electron-vite'), 'build'], {
        cwd: root,
        stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2],
        encoding: 'utf8',
      });
      if (done.status !== 0) {
        if (quiet) process.stderr.write(`${done.stdout}${done.stderr}`);
        process.exitCode = done.status ?? 1;
      } else if (existsSync(join(root, 'out', 'main', 'cli.js'))) {
        writeFileSync(stamp, `${JSON.stringify({ sources: time, at: new Date().toISOString() })}\n`);
      }
    }
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}
