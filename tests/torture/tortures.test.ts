/** @file A short run of the tortures of docs/reliability.md, with a fixed seed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { canMountDisk } from './disk/torture.ts';
import { tortures } from './tortures.ts';

/** Counts that take a few seconds. A torture without one has tests of its own. */
const counts: Readonly<Record<string, number>> = {
  kills: 12,
  disk: 3,
  writes: 60,
  processes: 140,
  stored: 100,
  neighbour: 1,
};
/** The operations of the short run; the others take longer. */
const only: Readonly<Record<string, readonly string[]>> = {
  kills: ['lists', 'save', 'install', 'download'],
  disk: ['lists', 'save', 'install', 'download'],
  writes: ['lists', 'save', 'install'],
  neighbour: [
    'calls a procedure without the token, or with a wrong one',
    'answers its own challenge, and replays one',
    'guesses the code of a one-time address',
    'reads a file outside of the page',
    'reads or changes the home folder',
    'sends requests that are none',
    'holds 2000 connections',
    'sends headers slowly on 1000 connections',
  ],
};

it.each(Object.keys(counts))('%s: nothing is lost', async (name) => {
  const scratch = mkdtempSync(join(tmpdir(), `cambium-torture-${name}-`));
  try {
    if (name === 'disk' && !canMountDisk(join(scratch, 'probe'))) {
      console.log('skipped: a full disk (only root can mount one)');
      return;
    }
    const torture = await tortures[name]!();
    expect(torture.count).toBeGreaterThan(counts[name]!);
    const options = { count: counts[name]!, seed: 1, only: only[name] ?? [], scratch, note: () => undefined };
    const { failures, lines } = await torture.run(options);
    expect(failures).toEqual([]);
    expect(lines).not.toHaveLength(0);
  } finally {
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
});
