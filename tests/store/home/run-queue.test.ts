import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  moveRun,
  placeRun,
  readQueue,
  updateQueue,
  withQueueLock,
  type WaitingRun,
} from '../../../src-main/store/home/run-queue.ts';
import { freshFolder } from '../../support/temporary.ts';

const waiting = (dir: string, device: WaitingRun['device'] = 'cpu'): WaitingRun => ({
  dir,
  device,
  added: 'now',
});
const names = (runs: readonly WaitingRun[]): string => runs.map(({ dir }) => dir).join('');
/** a, c and e wait for the CPU, b and d for CUDA. */
const mixed = [waiting('a'), waiting('b', 'cuda'), waiting('c'), waiting('d', 'cuda'), waiting('e')];

describe('placeRun', () => {
  it('puts a run before or behind all others, once', () => {
    expect(names(placeRun(mixed, waiting('f'), 'last'))).toBe('abcdef');
    expect(names(placeRun(mixed, waiting('f'), 'first'))).toBe('fabcde');
    expect(names(placeRun(mixed, waiting('c'), 'last'))).toBe('abdec');
    expect(names(placeRun(mixed, waiting('c'), 'first'))).toBe('cabde');
  });
});

describe('moveRun', () => {
  const ofCpu = (runs: readonly WaitingRun[]): string => names(runs.filter(({ device }) => device === 'cpu'));
  const ofCuda = (runs: readonly WaitingRun[]): string =>
    names(runs.filter(({ device }) => device === 'cuda'));

  it.each([
    ['e', 'up', 'aec'],
    ['a', 'down', 'cae'],
    ['c', 'first', 'cae'],
    ['c', 'last', 'aec'],
    ['a', 'up', 'ace'],
    ['e', 'down', 'ace'],
    ['x', 'up', 'ace'],
  ] as const)('moves %s %s among the runs of its device alone', (dir, move, expected) => {
    const moved = moveRun(mixed, dir, move);
    expect(ofCpu(moved)).toBe(expected);
    expect(ofCuda(moved)).toBe('bd');
  });

  it('forgets why a run could not be started', () => {
    const failed: WaitingRun = { ...waiting('a'), error: { code: 'run/finished', detail: {} } };
    expect(moveRun([failed, waiting('c')], 'a', 'first')[0]).toEqual(waiting('a'));
  });
});

describe('queue.json', () => {
  let home: string;
  beforeEach(() => {
    home = freshFolder('home');
  });

  it('is empty before the first run waits', async () => {
    expect(await readQueue(home)).toEqual({ version: 1, waiting: [], held: [] });
    expect(readdirSync(home)).toEqual([]);
  });

  it('keeps the runs, what changes when they start, and the held devices', async () => {
    const run: WaitingRun = { ...waiting('/runs/a'), resume: { tokens: 2e6, step: 400 } };
    await updateQueue(home, (before) => ({ ...before, waiting: [run], held: ['cuda'] }));
    expect(await readQueue(home)).toEqual({ version: 1, waiting: [run], held: ['cuda'] });
  });

  it('loses no update of several at once', async () => {
    const add = (dir: string): Promise<void> =>
      updateQueue(home, (before) => ({ ...before, waiting: placeRun(before.waiting, waiting(dir), 'last') }));
    await Promise.all(['a', 'b', 'c', 'd'].map(add));
    expect(
      names((await readQueue(home)).waiting)
        .split('')
        .sort(),
    ).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is renamed when it is damaged, and never chooses what a run changes by a field of another type', async () => {
    const text = JSON.stringify({
      version: 1,
      waiting: [{ ...waiting('a'), resume: { tokens: 'all' } }],
      held: [],
    });
    writeFileSync(join(home, 'queue.json'), text);
    expect((await readQueue(home)).waiting).toEqual([]);
    await updateQueue(home, (before) => before);
    const damaged = readdirSync(home).find((name) => name.startsWith('queue.json.damaged-'))!;
    expect(readFileSync(join(home, damaged), 'utf8')).toBe(text);
  });

  it('has a lock under which one process decides at a time', async () => {
    const order: string[] = [];
    const work = (name: string) =>
      withQueueLock(home, async () => {
        order.push(`${name} in`);
        await new Promise((resolve) => {
          setTimeout(resolve, 20);
        });
        order.push(`${name} out`);
      });
    await Promise.all([work('a'), work('b')]);
    expect(order.map((text) => text.split(' ')[1])).toEqual(['in', 'out', 'in', 'out']);
  });
});
