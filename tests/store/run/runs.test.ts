import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import {
  createEventReader,
  eventsFile,
  followEvents,
  openEventLog,
  readEvents,
} from '../../../src-main/store/run/events.ts';
import { writeMark } from '../../../src-main/store/run/state.ts';
import {
  claimRun,
  closeRun,
  createRun,
  isRun,
  newestStep,
  openSession,
  readRun,
  requestStop,
  summarizeRun,
  savedSteps,
  saveStep,
} from '../../../src-main/store/run/runs.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';

const deadPid = 2 ** 22 + 12_345;
const step = (n: number, loss = 5 - n / 100): RunEvent => ({
  type: 'step',
  step: n,
  loss,
  lr: 1e-3,
  gradNorm: 1,
  tokens: n * 64,
  seconds: 0.5,
});
const started = (n: number): RunEvent => ({
  type: 'started',
  step: n,
  device: 'cpu',
  deviceName: 'CPU',
  parameters: 10,
  steps: 40,
  trainTokens: 900,
  heldOutTokens: 100,
  time: '2026-01-01T00:00:00Z',
});
const stopped = (
  n: number,
  reason: 'finished' | 'requested' | 'failed',
  error?: { code: 'internal'; detail: unknown },
): Extract<RunEvent, { type: 'stopped' }> => ({
  type: 'stopped',
  step: n,
  reason,
  time: '2026-01-01T00:00:01Z',
  ...(error ? { error } : {}),
});

async function newRun(): Promise<string> {
  const dir = freePath('run');
  await createRun(dir, {
    name: 'first',
    checkpoint: '/c',
    data: ['/d.txt'],
    settings: { ...trainingDefaults, tokens: 2560, microBatch: 1, contextLength: 64 },
  });
  return dir;
}
/** The folder as a killed process leaves it. */
function kill(dir: string): void {
  writeFileSync(
    join(dir, 'state.json'),
    JSON.stringify({ pid: deadPid, state: 'running', heartbeat: Date.now(), told: false }),
  );
  if (existsSync(join(dir, 'lock'))) writeFileSync(join(dir, 'lock'), String(deadPid));
}
async function collect(events: AsyncIterable<RunEvent>, most = Infinity): Promise<RunEvent[]> {
  const all: RunEvent[] = [];
  for await (const event of events) {
    all.push(event);
    if (all.length >= most) break;
  }
  return all;
}

describe("a run's folder", () => {
  it('holds what was asked, and is made once', async () => {
    const dir = await newRun();
    expect(await isRun(dir)).toBe(true);
    expect(await readRun(dir)).toMatchObject({
      version: 2,
      name: 'first',
      checkpoint: '/c',
      data: ['/d.txt'],
      settings: { tokens: 2560 },
    });
    await expectAppError('file/exists', () =>
      createRun(dir, { name: 'b', checkpoint: '/c', data: [], settings: trainingDefaults }),
    );
    await expectAppError('run/not-found', () => summarizeRun(freePath()));
    writeFileSync(join(dir, 'settings.json'), '{"version":1');
    await expectAppError('run/damaged', () => readRun(dir));
    writeFileSync(join(dir, 'settings.json'), '{"version":1}');
    await expectAppError('run/damaged', () => readRun(dir));
  });

  it('says at every moment what is true', async () => {
    const dir = await newRun();
    expect(await summarizeRun(dir)).toMatchObject({
      id: dir,
      name: 'first',
      state: 'preparing',
      step: 0,
      steps: 40,
      loss: null,
      savedStep: null,
    });
    const session = await openSession(dir);
    await session.append(started(0));
    await session.setState('running');
    for (let n = 1; n <= 3; n++) await session.append(step(n));
    await session.append({ type: 'evaluated', step: 3, loss: 4.5, tokens: 100 });
    expect(await summarizeRun(dir)).toMatchObject({
      state: 'running',
      step: 3,
      steps: 40,
      tokens: 192,
      loss: 4.97,
      heldOutLoss: 4.5,
      seconds: 1.5,
    });
    expect(session.isStopRequested()).toBe(false);
    await requestStop(dir);
    expect(session.isStopRequested()).toBe(true);
    expect((await summarizeRun(dir)).state).toBe('pausing');
    await session.append(stopped(3, 'requested'));
    await session.close();
    expect((await summarizeRun(dir)).state).toBe('paused');
    expect(existsSync(join(dir, 'stop')) || existsSync(join(dir, 'lock'))).toBe(false);

    await claimRun(dir);
    expect((await summarizeRun(dir)).state).toBe('preparing');
    const again = await openSession(dir, { after: 3 });
    await again.append(started(3));
    await again.setState('running');
    await again.append(step(4));
    expect(await summarizeRun(dir)).toMatchObject({ state: 'running', step: 4, seconds: 2 });
    await again.append(stopped(4, 'failed', { code: 'internal', detail: { message: 'x' } }));
    await again.close();
    expect(await summarizeRun(dir)).toMatchObject({ state: 'failed', error: { code: 'internal' } });
    const last = await openSession(dir);
    await last.append(started(4));
    await last.append(stopped(40, 'finished'));
    await last.close();
    const card = await summarizeRun(dir);
    expect(card.state).toBe('finished');
    expect('error' in card).toBe(false);
  });

  it('of a process that lives is running, however the clock jumps', async () => {
    const dir = await newRun();
    const session = await openSession(dir);
    await session.append(started(0));
    await session.setState('running');
    const told: RunEvent[] = [];
    const following = (async () => {
      for await (const event of followEvents(dir, 0)) told.push(event);
    })();
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      for (const jump of [12 * 3_600_000, -36 * 3_600_000]) {
        // a laptop that slept for half a day, a clock set back
        vi.setSystemTime(Date.now() + jump);
        expect((await summarizeRun(dir)).state).toBe('running');
        await expectAppError('run/already-running', () => openSession(dir));
        await session.append(step(told.length));
        await vi.waitFor(
          () => {
            expect(told.at(-1)?.type).toBe('step');
          },
          { timeout: 20_000 },
        );
      }
    } finally {
      vi.useRealTimers();
    }
    await session.append(stopped(2, 'finished'));
    await session.close();
    await following;
    expect(told.map((e) => e.type)).toEqual(['started', 'step', 'step', 'stopped']);
  });

  it('of a killed process is interrupted, whatever the flag says', async () => {
    const dir = await newRun();
    const session = await openSession(dir);
    await session.append(started(0));
    await session.setState('running');
    await session.append(step(1));
    expect((await summarizeRun(dir)).state).toBe('running');
    await session.close();
    kill(dir);
    expect((await summarizeRun(dir)).state).toBe('interrupted');
    writeFileSync(
      join(dir, 'state.json'),
      JSON.stringify({ pid: process.pid, state: 'running', heartbeat: Date.now() - 3_600_000, told: false }),
    );
    expect((await summarizeRun(dir)).state).toBe('interrupted');
    writeFileSync(join(dir, 'state.json'), '{');
    expect((await summarizeRun(dir)).state).toBe('interrupted');
  });

  it("has one trainer at a time; a dead one's hold is void", async () => {
    const dir = await newRun();
    const session = await openSession(dir);
    await expectAppError('run/already-running', () => openSession(dir));
    await session.close();
    writeFileSync(join(dir, 'lock'), String(deadPid));
    await (await openSession(dir)).close();
    writeFileSync(join(dir, 'lock'), String(process.pid));
    utimesSync(join(dir, 'lock'), 0, 0);
    await (await openSession(dir)).close();
    writeFileSync(
      join(dir, 'state.json'),
      JSON.stringify({ pid: process.ppid, state: 'running', heartbeat: Date.now(), told: false }),
    );
    await expectAppError('run/already-running', () => claimRun(dir));
  });

  it('keeps a stop that was asked while the engine was starting, and forgets one from before', async () => {
    const dir = await newRun();
    await requestStop(dir);
    await claimRun(dir);
    const session = await openSession(dir);
    expect(session.isStopRequested()).toBe(false);
    await session.close();
    await claimRun(dir);
    await requestStop(dir);
    const next = await openSession(dir);
    expect(next.isStopRequested()).toBe(true);
    await next.close();
  });

  it('gets a last line when its process died without one, and only then', async () => {
    const dir = await newRun();
    const session = await openSession(dir);
    const error = { code: 'internal', detail: { message: 'killed' } } as const;
    await session.append(started(0));
    await session.append(step(1));
    await session.append(stopped(1, 'failed', error));
    await session.close();
    await closeRun(dir, stopped(1, 'failed', error));
    expect(await readEvents(dir)).toHaveLength(3);
    await claimRun(dir);
    kill(dir);
    appendFileSync(eventsFile(dir), '{"at":"step","step":2,"lo');
    await closeRun(dir, stopped(1, 'failed', { code: 'internal', detail: { message: 'again' } }));
    expect(await readEvents(dir)).toHaveLength(4);
    expect(await summarizeRun(dir)).toMatchObject({ state: 'failed', error: { detail: { message: 'again' } } });
  });
});

describe('training checkpoints', () => {
  it('are whole or absent, and the last two stay', async () => {
    const dir = await newRun();
    expect(await newestStep(dir)).toBe(null);
    for (const n of [5, 10, 1_000_000])
      await saveStep(dir, n, (t) => {
        writeFileSync(join(t, 'a'), String(n));
        return Promise.resolve();
      });
    expect((await savedSteps(dir)).map((saved) => saved.step)).toEqual([10, 1_000_000]);
    expect(readdirSync(join(dir, 'checkpoints')).sort()).toEqual(['step-000010', 'step-1000000']);
    await expect(saveStep(dir, 2_000_000, () => Promise.reject(new Error('broken')))).rejects.toThrow(
      'broken',
    );
    mkdirSync(join(dir, 'checkpoints', `.step-3000000.partial-${deadPid}-0-0`));
    expect((await newestStep(dir))?.step).toBe(1_000_000);
    await saveStep(dir, 1_000_000, (t) => {
      writeFileSync(join(t, 'a'), 'again');
      return Promise.resolve();
    });
    expect(readFileSync(join((await newestStep(dir))!.dir, 'a'), 'utf8')).toBe('again');
    expect(readdirSync(join(dir, 'checkpoints')).sort()).toEqual(['step-000010', 'step-1000000']);
    expect((await summarizeRun(dir)).savedStep).toBe(1_000_000);
  });
});

describe('events', () => {
  it('are one whole line each; a torn last line does not count and goes at the next opening', async () => {
    const dir = await newRun();
    const log = await openEventLog(dir);
    await log.append(started(0));
    await log.append(step(1));
    await log.close();
    appendFileSync(eventsFile(dir), '{"at":"step","step":2');
    expect(await readEvents(dir)).toEqual([started(0), step(1)]);
    expect(await readEvents(dir, 1)).toEqual([step(1)]);
    await (await openEventLog(dir)).close();
    expect(readFileSync(eventsFile(dir), 'utf8')).toBe(
      `${JSON.stringify(started(0))}\n${JSON.stringify(step(1))}\n`,
    );
  });

  it('after a resume hold each step once', async () => {
    const dir = await newRun();
    const log = await openEventLog(dir);
    for (const event of [
      started(0),
      step(1),
      step(2),
      { type: 'saved', step: 2, dir: 'x' } as RunEvent,
      step(3),
      step(4),
    ])
      await log.append(event);
    await log.close();
    const next = await openEventLog(dir, { after: 2 });
    await next.append(started(2));
    await next.append(step(3));
    await next.close();
    expect(await readEvents(dir)).toEqual([
      started(0),
      step(1),
      step(2),
      { type: 'saved', step: 2, dir: 'x' },
      started(2),
      step(3),
    ]);
  });

  it('that are damaged in the middle are refused with their line', async () => {
    const dir = await newRun();
    for (const line of ['{"at":', 'null', '{"step":1}']) {
      writeFileSync(eventsFile(dir), `${JSON.stringify(step(1))}\n${line}\n${JSON.stringify(step(2))}\n`);
      expect((await expectAppError('run/damaged', () => readEvents(dir))).message).toContain('line 2');
    }
  });

  it('reach a reader once each, whenever it looks, and taken-back lines are noticed', async () => {
    const action = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ kind: fc.constant('append' as const), text: fc.string({ maxLength: 20 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('back' as const),
          keep: fc.double({ min: 0, max: 1, noNaN: true }),
          text: fc.string({ maxLength: 20 }),
        }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('look' as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
        const path = join(freshFolder(), 'events.jsonl');
        const reader = createEventReader(path);
        let truth: string[] = [];
        let seen: string[] = [];
        const look = async (): Promise<void> => {
          const { from, events } = await reader.next();
          seen = [...seen.slice(0, from), ...events.map((event) => JSON.stringify(event))];
          expect(seen).toEqual(truth);
        };
        let n = 0;
        const line = (text: string): string => JSON.stringify({ type: 'sample', step: n++, prompt: '', text });
        for (const act of actions) {
          if (act.kind === 'look') {
            await look();
            continue;
          }
          if (act.kind === 'back') truth = truth.slice(0, Math.floor(act.keep * truth.length));
          truth = [...truth, line(act.text)];
          writeFileSync(path, truth.map((one) => `${one}\n`).join(''));
        }
        await look();
      }),
      { numRuns: 60 },
    );
  });
});

describe('following', () => {
  it('tells what was and what comes, and ends with the run', async () => {
    const dir = await newRun();
    const session = await openSession(dir);
    await session.append(started(0));
    await session.append(step(1));
    await session.setState('running');
    const all = collect(followEvents(dir, 0));
    const late = collect(followEvents(dir, 2));
    for (let n = 2; n <= 20; n++) {
      await session.append(step(n));
      await new Promise((resolve) => {
        setTimeout(resolve, n % 5);
      });
    }
    await session.append(stopped(20, 'finished'));
    await session.close();
    const expected = [
      started(0),
      ...Array.from({ length: 20 }, (_, i) => step(i + 1)),
      stopped(20, 'finished'),
    ];
    expect(await all).toEqual(expected);
    expect(await late).toEqual(expected.slice(2));
    expect(await collect(followEvents(dir, 0))).toEqual(expected);
    expect(await collect(followEvents(dir, 500))).toEqual([]);
  });

  it('goes on over a resume that takes lines back', async () => {
    const dir = await newRun();
    const session = await openSession(dir);
    for (const event of [started(0), step(1), step(2), step(3)]) await session.append(event);
    const told: RunEvent[] = [];
    const over = (async () => {
      for await (const event of followEvents(dir, 0)) told.push(event);
    })();
    while (told.length < 4)
      await new Promise((resolve) => {
        setTimeout(resolve, 10);
      });
    await session.close();
    await claimRun(dir);
    const next = await openSession(dir, { after: 1 });
    for (const event of [started(1), step(2, 9), step(3, 9), step(4, 9), stopped(4, 'requested')])
      await next.append(event);
    await next.close();
    await over;
    expect(told).toEqual([
      started(0),
      step(1),
      step(2),
      step(3),
      started(1),
      step(2, 9),
      step(3, 9),
      step(4, 9),
      stopped(4, 'requested'),
    ]);
  });

  it('ends at once for a run that nobody is at, soon after a kill, and when it is left', async () => {
    const dir = await newRun();
    const session = await openSession(dir);
    await session.append(started(0));
    const stop = new AbortController();
    const left = collect(followEvents(dir, 0, { signal: stop.signal }));
    const first = await collect(followEvents(dir, 0), 1);
    expect(first).toEqual([started(0)]);
    stop.abort();
    expect((await left).length).toBeLessThanOrEqual(1);
    const after = collect(followEvents(dir, 0));
    await session.close();
    kill(dir);
    setTimeout(() => {
      appendFileSync(eventsFile(dir), `${JSON.stringify(stopped(0, 'failed'))}\n`);
    }, 300);
    expect(await after).toEqual([started(0), stopped(0, 'failed')]);
    rmSync(eventsFile(dir));
    expect(await collect(followEvents(dir, 0))).toEqual([]);
    await writeMark(dir, 'stopped', true);
  });
});
