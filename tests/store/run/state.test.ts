import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { followEvents } from '../../../src-main/store/run/events.ts';
import { claimRun, openSession, summarizeRun } from '../../../src-main/store/run/runs.ts';
import { readMark } from '../../../src-main/store/run/state.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { createTestRun, deadPid, simulateKill, startedAt, stepAt, stoppedAt } from './run-fixtures.ts';

const writeState = (dir: string, state: object): void => {
  writeFileSync(join(dir, 'state.json'), JSON.stringify(state));
};
const writeLock = (dir: string, text: string): void => {
  writeFileSync(join(dir, 'lock'), text);
};
const stateOf = async (dir: string): Promise<string> => (await summarizeRun(dir)).state;

describe('a run of a live process', () => {
  it('is running after the computer slept or its clock was set back', async () => {
    const dir = await createTestRun();
    const session = await openSession(dir);
    await session.append(startedAt(0));
    await session.setState('running');
    const events: RunEvent[] = [];
    const following = (async () => {
      for await (const event of followEvents(dir, 0)) events.push(event);
    })();
    const hour = 3_600_000;
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      for (const jump of [12 * hour, -36 * hour]) {
        vi.setSystemTime(Date.now() + jump);
        expect(await stateOf(dir)).toBe('running');
        await expectAppError('run/already-running', () => openSession(dir));
        await session.append(stepAt(events.length));
        await vi.waitFor(
          () => {
            expect(events.at(-1)?.type).toBe('step');
          },
          { timeout: 20_000 },
        );
      }
    } finally {
      vi.useRealTimers();
    }
    await session.append(stoppedAt(2, 'finished'));
    await session.close();
    await following;
    expect(events.map((event) => event.type)).toEqual(['started', 'step', 'step', 'stopped']);
  });

  it('cannot be opened or claimed by another process', async () => {
    const dir = await createTestRun();
    const session = await openSession(dir);
    await expectAppError('run/already-running', () => openSession(dir));
    await session.close();
    writeState(dir, { pid: process.ppid, state: 'running', heartbeat: Date.now(), hasStopped: false });
    await expectAppError('run/already-running', () => claimRun(dir));
  });
});

describe('a run of a killed process', () => {
  /** Creates a run that was running when its process ended. */
  async function createRunningRun(): Promise<string> {
    const dir = await createTestRun();
    const session = await openSession(dir);
    await session.append(startedAt(0));
    await session.setState('running');
    await session.append(stepAt(1));
    expect(await stateOf(dir)).toBe('running');
    await session.close();
    return dir;
  }

  it('is interrupted, although state.json says that it is running', async () => {
    const dir = await createRunningRun();
    simulateKill(dir);
    expect(await stateOf(dir)).toBe('interrupted');
  });

  it('is interrupted when another process has got its process id', async () => {
    const dir = await createRunningRun();
    const heartbeat = Date.now() - 3_600_000;
    writeState(dir, { pid: process.pid, state: 'running', heartbeat, hasStopped: false });
    expect(await stateOf(dir)).toBe('interrupted');
  });

  it('is interrupted when state.json cannot be read', async () => {
    const dir = await createRunningRun();
    writeFileSync(join(dir, 'state.json'), '{');
    expect(await stateOf(dir)).toBe('interrupted');
  });

  it.each([
    ['of a process that does not exist', JSON.stringify({ pid: deadPid, born: null })],
    ['without the start of its process, and without a heartbeat', JSON.stringify({ pid: process.ppid })],
    ['that holds only a process id', String(process.pid)],
    ['that was cut off', '{"pid":'],
  ])('can be opened in spite of a lock %s', async (_, lock) => {
    const dir = await createTestRun();
    writeLock(dir, lock);
    utimesSync(join(dir, 'lock'), 0, 0);
    await (await openSession(dir)).close();
  });
});

// Other systems do not say when a process started.
describe.skipIf(process.platform !== 'linux')(
  'the lock of an earlier process with the id of a live one',
  () => {
    it('does not keep a run from being opened', async () => {
      const dir = await createTestRun();
      writeLock(dir, JSON.stringify({ pid: process.pid, born: 'earlier' }));
      await (await openSession(dir)).close();
    });
  },
);

describe('readMark', () => {
  it('reads a state.json of version 1, which called `hasStopped` `told`', async () => {
    const dir = await createTestRun();
    writeState(dir, { pid: 7, state: 'stopped', heartbeat: 5, told: true });
    expect(await readMark(dir)).toMatchObject({ pid: 7, born: null, heartbeat: 5, hasStopped: true });
  });
});
