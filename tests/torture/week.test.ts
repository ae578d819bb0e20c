import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { freePath, freshFolder } from '../support/temporary.ts';
import { compareQuarters, measuredEnvironment, readUsage } from './week/usage.ts';
import { tortures } from './tortures.ts';

it('compares readings of early on with those of the end, past the first quarter', () => {
  expect(compareQuarters([90, 90, 10, 12, 10, 10, 30, 32])).toEqual({ early: 12, late: 32 });
});

it.skipIf(process.platform !== 'linux')(
  'reads what a process uses, and nothing of one that has ended',
  async () => {
    const folder = freshFolder();
    const program = `
      const kept = [];
      process.stdin.on('data', () => {
        kept.push(new Float64Array(4e6).fill(1), Array.from({ length: 2e5 }, (_, i) => ({ i })));
        Array.from({ length: 2e6 }, (_, i) => ({ i }));
        console.log('more');
      });
      console.log('ready');
    `;
    const child = spawn(process.execPath, ['-e', program], {
      env: { ...process.env, ...measuredEnvironment(folder) },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
      const before = (await readUsage(child.pid!, folder))!;
      expect(before.handles).toBeGreaterThan(2);
      expect(before.live).toBeGreaterThan(1e6);
      child.stdin.write('x');
      await once(child.stdout, 'data');
      const after = (await readUsage(child.pid!, folder))!;
      // What is kept: 32 MB of numbers and 200,000 objects; not the garbage of 2,000,000.
      expect(after.live - before.live).toBeGreaterThan(32e6);
      expect(after.live - before.live).toBeLessThan(60e6);
    } finally {
      child.kill('SIGKILL');
    }
    expect(await readUsage(2 ** 22 + 12_345, folder)).toBeUndefined();
  },
);

it('uses no more after many steps, pages and engines', async () => {
  const scratch = freePath();
  mkdirSync(scratch, { recursive: true });
  const torture = await tortures['week']!();
  const { failures } = await torture.run({ count: 800, seed: 1, only: [], scratch, note: () => undefined });
  expect(failures).toEqual([]);
});
