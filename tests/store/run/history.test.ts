import { appendFileSync, existsSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { followEvents } from '../../../src-main/store/run/events.ts';
import { totalsOf, historyOf } from '../../../src-main/store/run/history.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';

const started = (step: number): RunEvent => ({
  type: 'started',
  step,
  device: 'cpu',
  deviceName: 'x',
  parameters: 1,
  steps: 9000,
  trainTokens: 1,
  heldOutTokens: 1,
  time: 'then',
});
const step = (n: number, loss = 5 / n): RunEvent => ({
  type: 'step',
  step: n,
  loss,
  lr: 1,
  gradNorm: 1,
  tokens: n * 8,
  seconds: 0.5,
});
const stopped = (n: number): RunEvent => ({ type: 'stopped', step: n, reason: 'finished', time: 'later' });
/** A run that rests: nobody is at it. */
const upTo = (n: number): RunEvent[] => [
  started(0),
  ...Array.from({ length: n }, (_, i) => i + 1).flatMap((i) => [
    step(i, i === 7777 ? 99 : undefined),
    ...(i % 1000 === 0 ? [{ type: 'evaluated', step: i, loss: 1 / i, tokens: 8 } as RunEvent] : []),
  ]),
  stopped(n),
];
const text = (events: readonly RunEvent[]): string => events.map((e) => `${JSON.stringify(e)}\n`).join('');
function runOf(events: readonly RunEvent[]): { dir: string; file: string } {
  const dir = freshFolder();
  const file = join(dir, 'events.jsonl');
  writeFileSync(file, text(events));
  return { dir, file };
}

describe('a run\u2019s history', () => {
  it('of a short run is all of it', async () => {
    const events = upTo(20);
    const { dir, file } = runOf(events);
    const history = await historyOf(dir);
    expect(history).toEqual({ events, lines: events.length, offset: statSync(file).size, isComplete: true });
    expect(await totalsOf(dir)).toMatchObject({
      step: 20,
      steps: 9000,
      tokens: 160,
      loss: 0.25,
      seconds: 10,
      lastEvent: { type: 'stopped' },
    });
    expect(existsSync(join(dir, 'digest.json'))).toBe(false);
  });

  it('of a long one keeps its ends, its spikes and all that is rare, and is the same when it is read again without its lines', async () => {
    const { dir, file } = runOf(upTo(9000));
    const history = await historyOf(dir);
    const fold = await totalsOf(dir);
    const { size } = statSync(file);
    expect(history.isComplete).toBe(false);
    expect(history.events.length).toBeLessThan(4100);
    for (const n of [1, 7777, 9000])
      expect(history.events).toContainEqual({ ...step(n, n === 7777 ? 99 : undefined), elapsed: n / 2 });
    expect(history.events.filter((e) => e.type !== 'step')).toEqual(upTo(9000).filter((e) => e.type !== 'step'));
    // The lines are gone but for their length: what a list and a chart show comes from what was kept.
    truncateSync(file, 0);
    truncateSync(file, size);
    expect(await totalsOf(dir)).toEqual(fold);
    expect(await historyOf(dir)).toEqual(history);
  });

  it('of a stretch has its steps, and finds them by the index', async () => {
    const { dir } = runOf(upTo(9000));
    await historyOf(dir);
    const { events, isComplete: whole, lines } = await historyOf(dir, { from: 5000, to: 5999 });
    expect(events).toEqual(Array.from({ length: 1000 }, (_, i) => step(5000 + i)));
    expect([whole, lines]).toEqual([true, 9011]);
    expect((await historyOf(dir, { from: 20_000, to: 30_000 })).events).toEqual([]);
  });

  it('goes on with what is appended, and anew when lines were taken back or what was kept is half gone', async () => {
    const { dir, file } = runOf(upTo(3000));
    expect(await totalsOf(dir)).toMatchObject({ step: 3000, lastEvent: { type: 'stopped' } });
    appendFileSync(file, text([started(3000), step(3001, 0.125)]));
    expect(await totalsOf(dir)).toMatchObject({ step: 3001, loss: 0.125, lastEvent: { type: 'step' } });
    truncateSync(file, Buffer.byteLength(text(upTo(3000).slice(0, 100))));
    expect(await totalsOf(dir)).toMatchObject({ step: 99 });
    writeFileSync(file, text(upTo(2500)));
    expect(await totalsOf(dir)).toMatchObject({ step: 2500, lastEvent: { type: 'stopped' } });
    const whole = await historyOf(dir);
    rmSync(join(dir, 'history.json'));
    // as long as before, and not what this process has read
    writeFileSync(file, text(upTo(2500)).replace('later', 'LATER'));
    expect((await historyOf(dir)).events).toEqual([
      ...whole.events.slice(0, -1),
      { ...stopped(2500), time: 'LATER' },
    ]);
    expect(existsSync(join(dir, 'history.json'))).toBe(true);
  });

  it('is where following goes on; what is written anew is told anew', async () => {
    const { dir, file } = runOf(upTo(50));
    const { lines, offset } = await historyOf(dir);
    const more = [started(50), step(51, 1), stopped(51)];
    appendFileSync(file, text(more));
    const told: RunEvent[] = [];
    for await (const event of followEvents(dir, lines, { offset })) told.push(event);
    expect(told).toEqual(more);
    const again: RunEvent[] = [];
    const stop = new AbortController();
    for await (const event of followEvents(dir, lines, { offset, signal: stop.signal })) {
      if (again.length === 0) writeFileSync(file, text(upTo(3)));
      again.push(event);
    }
    expect(again.slice(-5)).toEqual(upTo(3));
  });

  it('of a run without events is empty; a line that is none is refused', async () => {
    const dir = freshFolder();
    expect(await historyOf(dir)).toEqual({ events: [], lines: 0, offset: 0, isComplete: true });
    const { dir: bad } = runOf([started(0)]);
    appendFileSync(join(bad, 'events.jsonl'), 'nonsense\n');
    await expectAppError('run/damaged', () => totalsOf(bad));
  });
});
