import {
  appendFileSync,
  cpSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { eventsFile, followEvents } from '../../../src-main/store/run/events.ts';
import { historyOf, totalsOf } from '../../../src-main/store/run/history.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { freshFolder } from '../../support/temporary.ts';
import { createDice, mutateJson } from '../../torture/stored/mutate.ts';
import { startedAt, stepAt, stoppedAt, toLines } from './run-fixtures.ts';

const totalSteps = 9000;
const spike = { step: 7777, loss: 99 };

const lossAt = (step: number): number => (step === spike.step ? spike.loss : 5 / step);
const evaluatedAt = (step: number): RunEvent => ({ type: 'evaluated', step, loss: 1 / step, tokens: 8 });

/** The events of a run that has stopped at `last`, with an evaluation at every 1,000th step and one spike. */
function eventsTo(last: number): readonly RunEvent[] {
  const events: RunEvent[] = [startedAt(0, totalSteps)];
  for (let step = 1; step <= last; step++) {
    events.push(stepAt(step, lossAt(step)));
    if (step % 1000 === 0) events.push(evaluatedAt(step));
  }
  return [...events, stoppedAt(last, 'finished')];
}

/** Writes events.jsonl of a run without a process. */
function writeRun(events: readonly RunEvent[]): { readonly dir: string; readonly file: string } {
  const dir = freshFolder();
  const file = eventsFile(dir);
  writeFileSync(file, toLines(events));
  return { dir, file };
}

/** Replaces every line by zeros, so that nothing but the size of the file is left. */
function eraseLines(file: string): void {
  const { size } = statSync(file);
  truncateSync(file, 0);
  truncateSync(file, size);
}

/** `historyOf` of a new process: it knows nothing but the cache. */
async function createReader(): Promise<typeof historyOf> {
  vi.resetModules();
  return (await import('../../../src-main/store/run/history.ts')).historyOf;
}

describe('the history of a short run', () => {
  it('has every event', async () => {
    const events = eventsTo(20);
    const { dir, file } = writeRun(events);
    const offset = statSync(file).size;
    expect(await historyOf(dir)).toEqual({ events, lines: events.length, offset, isComplete: true });
    expect(await totalsOf(dir)).toMatchObject({
      step: 20,
      steps: totalSteps,
      tokens: 20 * 64,
      loss: 0.25,
      seconds: 10,
      lastEvent: { type: 'stopped' },
    });
  });

  it('is not cached', async () => {
    const { dir } = writeRun(eventsTo(20));
    await historyOf(dir);
    expect(existsSync(join(dir, 'digest.json'))).toBe(false);
  });
});

describe('the history of a long run', () => {
  it('has fewer steps, among them the ends and the spikes, and every other event', async () => {
    const { dir } = writeRun(eventsTo(totalSteps));
    const { events, isComplete } = await historyOf(dir);
    expect(isComplete).toBe(false);
    expect(events.length).toBeLessThan(4100);
    for (const step of [1, spike.step, totalSteps])
      expect(events).toContainEqual({ ...stepAt(step, lossAt(step)), elapsed: step / 2 });
    const isOther = ({ type }: RunEvent): boolean => type !== 'step';
    expect(events.filter(isOther)).toEqual(eventsTo(totalSteps).filter(isOther));
  });

  it('is cached with the totals, so that its lines are not read again', async () => {
    const { dir, file } = writeRun(eventsTo(totalSteps));
    const history = await historyOf(dir);
    const totals = await totalsOf(dir);
    eraseLines(file);
    expect(await totalsOf(dir)).toEqual(totals);
    expect(await historyOf(dir)).toEqual(history);
  });

  it('has every step of a range, which it finds by the index of lines', async () => {
    const { dir } = writeRun(eventsTo(totalSteps));
    await historyOf(dir);
    const { events, isComplete, lines } = await historyOf(dir, { from: 5000, to: 5999 });
    const expected = Array.from({ length: 1000 }, (_, i) => stepAt(5000 + i, lossAt(5000 + i)));
    expect(events).toEqual(expected);
    expect(isComplete).toBe(true);
    expect(lines).toBe(totalSteps + 11);
    expect((await historyOf(dir, { from: 20_000, to: 30_000 })).events).toEqual([]);
  });

  it('has the ends and the spikes of a wide range, also when its lines are not read', async () => {
    const last = 60_000;
    const { dir, file } = writeRun(eventsTo(last));
    await historyOf(dir);
    const range = { from: 5000, to: last - 1 };
    const { events, isComplete } = await historyOf(dir, range);
    const stepsOf = (all: readonly RunEvent[]): readonly number[] =>
      all.flatMap((event) => (event.type === 'step' ? [event.step] : []));
    const steps = stepsOf(events);
    expect(isComplete).toBe(false);
    expect([steps[0], steps.at(-1)]).toEqual([range.from, range.to]);
    expect(steps).toContain(spike.step);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(steps.length).toBeGreaterThan(500);
    expect(steps.length).toBeLessThan(4100);
    // Only the parts at both ends of the range are read.
    const { size } = statSync(file);
    const bytes = readFileSync(file);
    bytes.fill(0, Math.floor(size / 4), Math.floor((3 * size) / 4));
    writeFileSync(file, bytes);
    for (const read of [historyOf, await createReader()])
      expect(stepsOf((await read(dir, range)).events)).toEqual(steps);
  });

  it('reads the lines of a wide range if zoom.json is damaged', async () => {
    const { dir } = writeRun(eventsTo(60_000));
    await historyOf(dir);
    const range = { from: 5000, to: 59_000 };
    for (const text of ['', '{', '{"version":1,"size":1,"blocks":[]}']) {
      writeFileSync(join(dir, 'zoom.json'), text);
      expect((await (await createReader())(dir, range)).events.length).toBeGreaterThan(1000);
    }
  });

  it('is read again when half of its cache is gone', async () => {
    const { dir, file } = writeRun(eventsTo(2500));
    const before = await historyOf(dir);
    rmSync(join(dir, 'history.json'));
    // As long as before, but different from what this process has read.
    const changed = { ...stoppedAt(2500, 'finished'), time: '2026-01-01T00:00:02Z' };
    writeFileSync(file, toLines([...eventsTo(2500).slice(0, -1), changed]));
    expect((await historyOf(dir)).events).toEqual([...before.events.slice(0, -1), changed]);
    expect(existsSync(join(dir, 'history.json'))).toBe(true);
  });
});

describe('the totals', () => {
  it('continue with lines that are appended', async () => {
    const { dir, file } = writeRun(eventsTo(3000));
    expect(await totalsOf(dir)).toMatchObject({ step: 3000, lastEvent: { type: 'stopped' } });
    appendFileSync(file, toLines([startedAt(3000, totalSteps), stepAt(3001, 0.125)]));
    expect(await totalsOf(dir)).toMatchObject({ step: 3001, loss: 0.125, lastEvent: { type: 'step' } });
  });

  it('start anew when lines were removed or replaced', async () => {
    const { dir, file } = writeRun(eventsTo(3000));
    await totalsOf(dir);
    truncateSync(file, Buffer.byteLength(toLines(eventsTo(3000).slice(0, 100))));
    expect(await totalsOf(dir)).toMatchObject({ step: 99 });
    writeFileSync(file, toLines(eventsTo(2500)));
    expect(await totalsOf(dir)).toMatchObject({ step: 2500, lastEvent: { type: 'stopped' } });
  });
});

describe('following from the end of a history', () => {
  it('yields the events that are appended', async () => {
    const { dir, file } = writeRun(eventsTo(50));
    const { lines, offset } = await historyOf(dir);
    const appended = [startedAt(50), stepAt(51, 1), stoppedAt(51, 'finished')];
    appendFileSync(file, toLines(appended));
    const events: RunEvent[] = [];
    for await (const event of followEvents(dir, lines, { offset })) events.push(event);
    expect(events).toEqual(appended);
  });

  it('yields every event again when the file is replaced', async () => {
    const { dir, file } = writeRun(eventsTo(50));
    const { lines, offset } = await historyOf(dir);
    appendFileSync(file, toLines([startedAt(50), stepAt(51, 1), stoppedAt(51, 'finished')]));
    const events: RunEvent[] = [];
    for await (const event of followEvents(dir, lines, { offset })) {
      if (events.length === 0) writeFileSync(file, toLines(eventsTo(3)));
      events.push(event);
    }
    expect(events.slice(-5)).toEqual(eventsTo(3));
  });
});

describe('historyOf', () => {
  it('is empty for a run without events', async () => {
    expect(await historyOf(freshFolder())).toEqual({ events: [], lines: 0, offset: 0, isComplete: true });
  });

  it('counts lines that are no events, also from its cache, and follows from the right line', async () => {
    const { dir, file } = writeRun(eventsTo(2500));
    appendFileSync(file, 'nonsense\n');
    expect(await totalsOf(dir)).toMatchObject({ step: 2500, badLines: 1 });
    const { lines, offset } = await historyOf(dir);
    expect([lines, offset]).toEqual([eventsTo(2500).length + 1, statSync(file).size]);
    eraseLines(file);
    expect(await totalsOf(dir)).toMatchObject({ step: 2500, badLines: 1 });
  });
});

describe('a damaged cache', () => {
  const range = { from: 1, to: totalSteps };

  it.each(['digest.json', 'history.json', 'zoom.json'])(
    'never fails a reader, and gives a history of events: %s',
    async (name) => {
      const { dir } = writeRun(eventsTo(2200));
      const history = await historyOf(dir);
      const example = JSON.parse(readFileSync(join(dir, name), 'utf8')) as unknown;
      for (let n = 0; n < 60; n++) {
        // A folder that this process has not read yet.
        const copy = freshFolder();
        cpSync(dir, copy, { recursive: true });
        writeFileSync(join(copy, name), mutateJson(example, createDice(1, name, n)));
        const found = await historyOf(copy);
        expect(found.lines).toBe(history.lines);
        expect(found.events.every((event) => typeof event.type === 'string')).toBe(true);
        expect((await totalsOf(copy)).step).toEqual(expect.any(Number));
        await historyOf(copy, range);
      }
    },
    60_000,
  );

  it.each([
    ['digest.json', { totals: { step: 'x' } }],
    ['digest.json', { index: [[1, 'x']] }],
    ['history.json', { events: [{ type: 'step', step: 1 }] }],
    ['history.json', { events: [null] }],
    ['zoom.json', { blocks: [[{ type: 'step', step: 1, loss: null }]] }],
  ])('is not used when a value has another type: %s %j', async (name, changes) => {
    const { dir } = writeRun(eventsTo(2200));
    const [whole, part] = [await historyOf(dir), await historyOf(dir, range)];
    const copy = freshFolder();
    cpSync(dir, copy, { recursive: true });
    const example = JSON.parse(readFileSync(join(copy, name), 'utf8')) as object;
    writeFileSync(join(copy, name), JSON.stringify({ ...example, ...changes }));
    expect(await historyOf(copy)).toEqual(whole);
    expect(await historyOf(copy, range)).toEqual(part);
  });
});
