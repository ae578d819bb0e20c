import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createEventReader,
  eventsFile,
  followEvents,
  readEvents,
} from '../../../src-main/store/run/events.ts';
import { claimRun, openSession } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { freshFolder } from '../../support/temporary.ts';
import { createTestRun, simulateKill, startedAt, stepAt, stoppedAt, toLines } from './run-fixtures.ts';

/** Collects events until the source ends or `most` have come. */
async function collect(events: AsyncIterable<RunEvent>, most = Infinity): Promise<readonly RunEvent[]> {
  const collected: RunEvent[] = [];
  for await (const event of events) {
    collected.push(event);
    if (collected.length >= most) break;
  }
  return collected;
}

describe('readEvents', () => {
  it('ignores a last line that was cut off', async () => {
    const dir = await createTestRun();
    writeFileSync(eventsFile(dir), `${toLines([startedAt(0), stepAt(1)])}{"type":"step","step":2`);
    expect(await readEvents(dir)).toEqual([startedAt(0), stepAt(1)]);
    expect(await readEvents(dir, 1)).toEqual([stepAt(1)]);
  });

  it.each([
    '{"type":',
    'null',
    '[]',
    '{"step":1}',
    '{"type":"evaluated","step":-1,"loss":1,"tokens":1}',
    '{"type":"step","step":2,"loss":"low","lr":1,"gradNorm":1,"tokens":1,"seconds":1}',
    '{"type":"stopped","step":2,"reason":"bored"}',
    '{"type":"toString"}',
    '{"type":"step","step":2,"l{"type":"step","step":3,"loss":5,"lr":1,"gradNorm":1,"tokens":1,"seconds":1}',
  ])('skips %s, which is no event', async (line) => {
    const dir = await createTestRun();
    writeFileSync(eventsFile(dir), `${toLines([stepAt(1)])}${line}\n${toLines([stepAt(2)])}`);
    expect(await readEvents(dir)).toEqual([stepAt(1), stepAt(2)]);
    expect(await readEvents(dir, 2)).toEqual([stepAt(2)]);
  });
});

/** A line, written to a file in the place of lines that may have been removed, and a read of the file. */
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('append' as const), text: fc.string({ maxLength: 20 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('replace' as const),
      keptShare: fc.double({ min: 0, max: 1, noNaN: true }),
      text: fc.string({ maxLength: 20 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const) }) },
);

describe('createEventReader', () => {
  it('returns every event once, and again from the first line that was replaced', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
        const path = join(freshFolder(), 'events.jsonl');
        const reader = createEventReader(path);
        let written: readonly string[] = [];
        let seen: readonly string[] = [];
        const readAndCompare = async (): Promise<void> => {
          const { from, events } = await reader.next();
          seen = [...seen.slice(0, from), ...events.map((event) => JSON.stringify(event))];
          expect(seen).toEqual(written);
        };
        let step = 0;
        for (const each of actions) {
          if (each.kind === 'read') {
            await readAndCompare();
            continue;
          }
          if (each.kind === 'replace')
            written = written.slice(0, Math.floor(each.keptShare * written.length));
          written = [
            ...written,
            JSON.stringify({ type: 'sample', step: step++, prompt: '', text: each.text }),
          ];
          writeFileSync(path, written.map((line) => `${line}\n`).join(''));
        }
        await readAndCompare();
      }),
      { numRuns: 60 },
    );
  });
});

describe('followEvents', () => {
  it('yields earlier and new events, from any line on, until the run stops', async () => {
    const dir = await createTestRun();
    const session = await openSession(dir);
    for (const event of [startedAt(0), stepAt(1)]) await session.append(event);
    await session.setState('running');
    const fromStart = collect(followEvents(dir, 0));
    const fromThirdLine = collect(followEvents(dir, 2));
    const steps = Array.from({ length: 20 }, (_, i) => stepAt(i + 1));
    for (const step of steps.slice(1)) {
      await session.append(step);
      await wait(step.step % 5);
    }
    await session.append(stoppedAt(20, 'finished'));
    await session.close();
    const expected = [startedAt(0), ...steps, stoppedAt(20, 'finished')];
    expect(await fromStart).toEqual(expected);
    expect(await fromThirdLine).toEqual(expected.slice(2));
    expect(await collect(followEvents(dir, 0))).toEqual(expected);
    expect(await collect(followEvents(dir, 500))).toEqual([]);
  });

  it('continues through a resume that removes lines', async () => {
    const dir = await createTestRun();
    const session = await openSession(dir);
    const before = [startedAt(0), stepAt(1), stepAt(2), stepAt(3)];
    for (const event of before) await session.append(event);
    const events: RunEvent[] = [];
    const following = (async () => {
      for await (const event of followEvents(dir, 0)) events.push(event);
    })();
    while (events.length < before.length) await wait(10);
    await session.close();
    await claimRun(dir);
    const resumed = await openSession(dir, { after: 1 });
    const after = [startedAt(1), stepAt(2, 9), stepAt(3, 9), stepAt(4, 9), stoppedAt(4, 'requested')];
    for (const event of after) await resumed.append(event);
    await resumed.close();
    await following;
    expect(events).toEqual([...before, ...after]);
  });

  it('ends when its signal aborts', async () => {
    const dir = await createTestRun();
    const session = await openSession(dir);
    await session.append(startedAt(0));
    const controller = new AbortController();
    const following = collect(followEvents(dir, 0, { signal: controller.signal }));
    expect(await collect(followEvents(dir, 0), 1)).toEqual([startedAt(0)]);
    controller.abort();
    expect((await following).length).toBeLessThanOrEqual(1);
    await session.close();
  });

  it('waits a moment for the last event of a process that was killed', async () => {
    const dir = await createTestRun();
    const session = await openSession(dir);
    await session.append(startedAt(0));
    const following = collect(followEvents(dir, 0));
    await session.close();
    simulateKill(dir);
    setTimeout(() => {
      appendFileSync(eventsFile(dir), toLines([stoppedAt(0, 'failed')]));
    }, 300);
    expect(await following).toEqual([startedAt(0), stoppedAt(0, 'failed')]);
  });

  it('ends at once without a process and without events', async () => {
    const dir = await createTestRun();
    simulateKill(dir);
    rmSync(eventsFile(dir), { force: true });
    expect(await collect(followEvents(dir, 0))).toEqual([]);
  });
});
