import { mkdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { freePath } from '../support/temporary.ts';
import { compareQuarters, readUsage } from './week/usage.ts';
import { tortures } from './tortures.ts';

it('compares readings of early on with those of the end, past the first quarter', () => {
  expect(compareQuarters([90, 90, 10, 12, 10, 10, 30, 32])).toEqual({ early: 12, late: 32 });
});

it.skipIf(process.platform !== 'linux')(
  'reads what a process uses, and nothing of one that has ended',
  () => {
    expect(readUsage(process.pid)!.memory).toBeGreaterThan(10e6);
    expect(readUsage(process.pid)!.handles).toBeGreaterThan(2);
    expect(readUsage(2 ** 22 + 12_345)).toBeUndefined();
  },
);

it('uses no more after many steps, pages and engines', async () => {
  const scratch = freePath();
  mkdirSync(scratch, { recursive: true });
  const torture = await tortures['week']!();
  const { failures } = await torture.run({ count: 400, seed: 1, only: [], scratch, note: () => undefined });
  expect(failures).toEqual([]);
});
