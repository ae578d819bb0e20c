import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openEventLog } from '../../../src-main/store/run/event-log.ts';
import { eventsFile, followEvents, readEvents } from '../../../src-main/store/run/events.ts';
import { historyOf } from '../../../src-main/store/run/history.ts';
import { openSession, readRun, saveStep, summarizeRun } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { createTestRun, startedAt, stepAt, stoppedAt, toLines } from './run-fixtures.ts';

const savedAt = (step: number): RunEvent => ({ type: 'saved', step, dir: 'x' });

describe('openEventLog', () => {
  it('appends one line for each event', async () => {
    const dir = await createTestRun();
    const log = await openEventLog(dir);
    for (const event of [startedAt(0), stepAt(1)]) await log.append(event);
    await log.close();
    expect(readFileSync(eventsFile(dir), 'utf8')).toBe(toLines([startedAt(0), stepAt(1)]));
  });

  it.each(['{"type":"step","step":2', '\0\0\0\0"step":2}\n', '{"ty\n{"type":"step","step":2'])(
    'removes what was torn at the end: %j',
    async (torn) => {
      const dir = await createTestRun();
      writeFileSync(eventsFile(dir), `${toLines([startedAt(0), stepAt(1)])}${torn}`);
      await (await openEventLog(dir)).close();
      expect(readFileSync(eventsFile(dir), 'utf8')).toBe(toLines([startedAt(0), stepAt(1)]));
    },
  );

  it('removes the events after the step that the run continues from', async () => {
    const dir = await createTestRun();
    const kept = [startedAt(0), stepAt(1), stepAt(2), savedAt(2)];
    writeFileSync(eventsFile(dir), toLines([...kept, stepAt(3), stepAt(4)]));
    const log = await openEventLog(dir, { after: 2 });
    for (const event of [startedAt(2), stepAt(3)]) await log.append(event);
    await log.close();
    expect(await readEvents(dir)).toEqual([...kept, startedAt(2), stepAt(3)]);
  });

  it('keeps steps that the run rolled back before that step', async () => {
    const dir = await createTestRun();
    const rolledBack: RunEvent = { type: 'rolled-back', step: 1, from: 3, time: '' };
    const kept = [startedAt(0), stepAt(1), stepAt(2), stepAt(3), rolledBack, stepAt(2, 9), savedAt(2)];
    writeFileSync(eventsFile(dir), toLines([...kept, stepAt(3, 9)]));
    await (await openEventLog(dir, { after: 2 })).close();
    expect(await readEvents(dir)).toEqual(kept);
  });
});

const fileHandle = await open(import.meta.filename, 'r');
const prototype = Object.getPrototypeOf(fileHandle) as FileHandle;
await fileHandle.close();
afterEach(() => {
  vi.restoreAllMocks();
});

/** The next write takes `bytes` bytes; the disk is full from then on, until `vi.restoreAllMocks`. */
function fillDisk(bytes: number): void {
  const write = Reflect.get(prototype, 'write') as (
    this: FileHandle,
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ) => Promise<{ bytesWritten: number }>;
  let free = bytes;
  vi.spyOn(prototype, 'write').mockImplementation(function (this: FileHandle, ...given: unknown[]) {
    const [buffer, offset, length, position] = given as [Uint8Array, number, number, number];
    const possible = Math.min(length, free);
    free -= possible;
    if (possible > 0) return write.call(this, buffer, offset, possible, position) as never;
    return Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }));
  });
}

describe('a disk that is full', () => {
  it.each([0, 1, 20])('leaves no part of an event, when it takes %i more bytes', async (bytes) => {
    const dir = await createTestRun();
    const log = await openEventLog(dir);
    await log.append(stepAt(1));
    fillDisk(bytes);
    for (let i = 0; i < 2; i++) await expectAppError('file/no-space', () => log.append(stepAt(2)));
    expect(readFileSync(eventsFile(dir), 'utf8')).toBe(toLines([stepAt(1)]));
    vi.restoreAllMocks();
    await log.append(stepAt(3));
    await log.close();
    expect(readFileSync(eventsFile(dir), 'utf8')).toBe(toLines([stepAt(1), stepAt(3)]));
  });

  it('that does not even let the part be removed is cleaned up before the next event', async () => {
    const dir = await createTestRun();
    const log = await openEventLog(dir);
    await log.append(stepAt(1));
    fillDisk(20);
    vi.spyOn(prototype, 'truncate').mockRejectedValueOnce(Object.assign(new Error('io'), { code: 'EIO' }));
    await expectAppError('file/no-space', () => log.append(stepAt(2)));
    expect(readFileSync(eventsFile(dir), 'utf8')).not.toBe(toLines([stepAt(1)]));
    vi.restoreAllMocks();
    await log.append(stepAt(3));
    await log.close();
    expect(readFileSync(eventsFile(dir), 'utf8')).toBe(toLines([stepAt(1), stepAt(3)]));
  });
});

describe('a run with lines that are no events', () => {
  /** A run with a checkpoint of step 2 and a bad line between good ones. */
  async function createDamagedRun(): Promise<string> {
    const dir = await createTestRun();
    await (await openSession(dir)).close();
    await saveStep(dir, 2, (folder) => {
      writeFileSync(join(folder, 'a'), '');
      return Promise.resolve();
    });
    const lines = [
      toLines([startedAt(0), stepAt(1)]),
      '{"type":"st{"type":"step"}\n',
      toLines([stepAt(2), savedAt(2)]),
    ];
    writeFileSync(eventsFile(dir), lines.join(''));
    return dir;
  }

  it('is listed, charted and resumed, and says how many lines it lacks', async () => {
    const dir = await createDamagedRun();
    const damage = { code: 'run/damaged-lines', detail: { run: 'run', lines: 1 } };
    expect(await summarizeRun(dir)).toMatchObject({ state: 'interrupted', step: 2, savedStep: 2, damage });
    const history = await historyOf(dir);
    expect(history).toMatchObject({ lines: 5, isComplete: true });
    expect(history.events).toHaveLength(4);
    const session = await openSession(dir, { after: 2 });
    await session.append(startedAt(2));
    await session.append(stoppedAt(2, 'requested'));
    await session.close();
    expect(readFileSync(eventsFile(dir), 'utf8')).toContain('{"type":"st{"type":"step"}\n');
    expect(await summarizeRun(dir)).toMatchObject({ state: 'paused', damage });
    const followed: RunEvent[] = [];
    for await (const event of followEvents(dir, history.lines)) followed.push(event);
    expect(followed).toEqual([startedAt(2), stoppedAt(2, 'requested')]);
  });

  it('is a run even if nothing of its events can be read', async () => {
    const dir = await createDamagedRun();
    rmSync(eventsFile(dir));
    mkdirSync(eventsFile(dir));
    expect(await summarizeRun(dir)).toMatchObject({
      state: 'interrupted',
      step: 2,
      savedStep: 2,
      damage: { code: 'file/unreadable' },
    });
    expect((await readRun(dir)).name).toBe('first');
  });
});
