import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventsFile, readEvents } from '../../../src-main/store/run/events.ts';
import {
  claimRun,
  closeRun,
  createRun,
  isRun,
  newestStep,
  openSession,
  readRun,
  requestStop,
  savedSteps,
  saveStep,
  summarizeRun,
} from '../../../src-main/store/run/runs.ts';
import { trainingDefaults } from '../../../src-main/train/settings.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath } from '../../support/temporary.ts';
import {
  createTestRun,
  deadPid,
  simulateKill,
  startedAt,
  stepAt,
  stoppedAt,
  usageAt,
} from './run-fixtures.ts';

describe('createRun', () => {
  it('writes the settings in the current version', async () => {
    const dir = await createTestRun();
    expect(await isRun(dir)).toBe(true);
    expect(await readRun(dir)).toMatchObject({
      version: 2,
      name: 'first',
      checkpoint: '/c',
      data: ['/d.txt'],
      settings: { tokens: 2560 },
    });
  });

  it('refuses a folder that exists', async () => {
    const dir = await createTestRun();
    await expectAppError('file/exists', () =>
      createRun(dir, { name: 'b', checkpoint: '/c', data: [], settings: trainingDefaults }),
    );
  });
});

describe('summarizeRun', () => {
  it('follows a session from its preparation to its stop', async () => {
    const dir = await createTestRun();
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
    await session.append(startedAt(0));
    await session.setState('running');
    for (let step = 1; step <= 3; step++) await session.append(stepAt(step));
    await session.append({ type: 'evaluated', step: 3, loss: 4.5, tokens: 100 });
    await session.append(usageAt(3, 0.25));
    expect(await summarizeRun(dir)).toMatchObject({
      state: 'running',
      step: 3,
      steps: 40,
      tokens: 192,
      loss: 4.97,
      heldOutLoss: 4.5,
      seconds: 1.5,
      cost: 0.25,
    });
    expect(session.isStopRequested()).toBe(false);
    await requestStop(dir);
    expect(session.isStopRequested()).toBe(true);
    expect((await summarizeRun(dir)).state).toBe('pausing');
    await session.append(stoppedAt(3, 'requested'));
    await session.close();
    expect((await summarizeRun(dir)).state).toBe('paused');
    expect(existsSync(join(dir, 'stop'))).toBe(false);
    expect(existsSync(join(dir, 'lock'))).toBe(false);
  });

  it('adds up the sessions of a run', async () => {
    const dir = await createTestRun();
    const first = await openSession(dir);
    await first.append(startedAt(0));
    for (let step = 1; step <= 3; step++) await first.append(stepAt(step));
    await first.append(stoppedAt(3, 'requested'));
    await first.close();
    await claimRun(dir);
    expect((await summarizeRun(dir)).state).toBe('preparing');
    const second = await openSession(dir, { after: 3 });
    await second.append(startedAt(3));
    await second.setState('running');
    await second.append(stepAt(4));
    expect(await summarizeRun(dir)).toMatchObject({ state: 'running', step: 4, seconds: 2 });
    await second.close();
  });

  it('shows the error of a run that failed until it trains again', async () => {
    const dir = await createTestRun();
    const failed = await openSession(dir);
    await failed.append(startedAt(0));
    await failed.append(stoppedAt(4, 'failed', { code: 'internal', detail: { message: 'x' } }));
    await failed.close();
    expect(await summarizeRun(dir)).toMatchObject({ state: 'failed', error: { code: 'internal' } });
    const finished = await openSession(dir);
    await finished.append(startedAt(4));
    await finished.append(stoppedAt(40, 'finished'));
    await finished.close();
    const summary = await summarizeRun(dir);
    expect(summary.state).toBe('finished');
    expect('error' in summary).toBe(false);
  });

  it('refuses a folder without a run', async () => {
    await expectAppError('run/not-found', () => summarizeRun(freePath()));
  });
});

describe('a stop request', () => {
  it('is removed when a process claims the run', async () => {
    const dir = await createTestRun();
    await requestStop(dir);
    await claimRun(dir);
    const session = await openSession(dir);
    expect(session.isStopRequested()).toBe(false);
    await session.close();
  });

  it('is kept when it comes between the claim and the session', async () => {
    const dir = await createTestRun();
    await claimRun(dir);
    await requestStop(dir);
    const session = await openSession(dir);
    expect(session.isStopRequested()).toBe(true);
    await session.close();
  });
});

describe('closeRun', () => {
  const toError = (message: string) => ({ code: 'internal', detail: { message } }) as const;

  it('adds nothing to a run whose process wrote its last event', async () => {
    const dir = await createTestRun();
    const session = await openSession(dir);
    const stopped = stoppedAt(1, 'failed', toError('killed'));
    for (const event of [startedAt(0), stepAt(1), stopped]) await session.append(event);
    await session.close();
    await closeRun(dir, stopped);
    expect(await readEvents(dir)).toHaveLength(3);
  });

  it('adds the last event of a process that was killed', async () => {
    const dir = await createTestRun();
    const session = await openSession(dir);
    for (const event of [startedAt(0), stepAt(1), stoppedAt(1, 'failed', toError('killed'))])
      await session.append(event);
    await session.close();
    await claimRun(dir);
    simulateKill(dir);
    appendFileSync(eventsFile(dir), '{"type":"step","step":2,"lo');
    await closeRun(dir, stoppedAt(1, 'failed', toError('again')));
    expect(await readEvents(dir)).toHaveLength(4);
    expect(await summarizeRun(dir)).toMatchObject({
      state: 'failed',
      error: { detail: { message: 'again' } },
    });
  });
});

describe('saveStep', () => {
  const save = (dir: string, step: number, content = String(step)): Promise<string> =>
    saveStep(dir, step, (folder) => {
      writeFileSync(join(folder, 'a'), content);
      return Promise.resolve();
    });
  const listFolders = (dir: string): readonly string[] => readdirSync(join(dir, 'checkpoints')).sort();

  /** Creates a run with checkpoints of steps 5, 10 and 1,000,000. */
  async function createSavedRun(): Promise<string> {
    const dir = await createTestRun();
    expect(await newestStep(dir)).toBe(null);
    for (const step of [5, 10, 1_000_000]) await save(dir, step);
    return dir;
  }

  it('keeps the two newest checkpoints', async () => {
    const dir = await createSavedRun();
    expect((await savedSteps(dir)).map((saved) => saved.step)).toEqual([10, 1_000_000]);
    expect(listFolders(dir)).toEqual(['step-000010', 'step-1000000']);
    expect((await summarizeRun(dir)).savedStep).toBe(1_000_000);
  });

  it('leaves no folder when saving fails', async () => {
    const dir = await createSavedRun();
    const saving = saveStep(dir, 2_000_000, () => Promise.reject(new Error('broken')));
    await expect(saving).rejects.toThrow('broken');
    expect(listFolders(dir)).toEqual(['step-000010', 'step-1000000']);
  });

  it('removes the folder that a killed process left, which is no checkpoint', async () => {
    const dir = await createSavedRun();
    mkdirSync(join(dir, 'checkpoints', `.step-3000000.partial-${deadPid}-0-0`));
    expect((await newestStep(dir))?.step).toBe(1_000_000);
    await save(dir, 1_000_000);
    expect(listFolders(dir)).toEqual(['step-000010', 'step-1000000']);
  });

  it('replaces a checkpoint of the same step', async () => {
    const dir = await createSavedRun();
    await save(dir, 1_000_000, 'again');
    expect(readFileSync(join((await newestStep(dir))!.dir, 'a'), 'utf8')).toBe('again');
  });
});
