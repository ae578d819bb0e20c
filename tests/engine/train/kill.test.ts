/** @file A run whose process ends at any moment resumes with the same losses and the same bytes. */
import type { ChildProcess } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { deriveKey, uniformAt } from '../../../src-main/base/random.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { newestStep, savedSteps, summarizeRun } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { createTestRun } from '../workbench.ts';
import { startEngine, trainIn } from './engine-process.ts';
import {
  digestState,
  lossesOf,
  stepNumbersOf,
  stepsTo,
  textFile,
  tinyCheckpoint,
  tokensPerSmallStep,
} from './train-run.ts';

const isStep = (event: RunEvent, step: number): boolean => event.type === 'step' && event.step === step;

const steps = 300;
const kills = 50;
const settings = { tokens: steps * tokensPerSmallStep, saveEvery: 2, evaluateEvery: 5 };
const createRun = async (): Promise<string> => createTestRun(await tinyCheckpoint, textFile, settings);

/** The same run, never interrupted. */
const uninterrupted = (async () => {
  const dir = await createRun();
  const engineProcess = startEngine();
  const events = await trainIn(engineProcess, dir);
  engineProcess.child.disconnect();
  return { losses: lossesOf(events), state: await digestState(dir), exit: await engineProcess.exit };
})();

/** Expects every step once, in order, with the losses and the bytes of the uninterrupted run. */
async function expectSameAsUninterrupted(dir: string): Promise<void> {
  const events = await readEvents(dir);
  expect(stepNumbersOf(events)).toEqual(stepsTo(steps));
  expect(lossesOf(events)).toEqual((await uninterrupted).losses);
  expect(await digestState(dir)).toEqual((await uninterrupted).state);
  expect(await summarizeRun(dir)).toMatchObject({ state: 'finished', step: steps, savedStep: steps });
}

async function resumeToEnd(dir: string): Promise<void> {
  const engineProcess = startEngine();
  const events = await trainIn(engineProcess, dir);
  engineProcess.child.disconnect();
  await engineProcess.exit;
  expect(events.at(-1)).toEqual({
    type: 'stopped',
    reason: 'finished',
    step: steps,
    time: expect.any(String) as string,
  });
}

/** When a process is killed. */
interface KillMoment {
  /** Milliseconds. */
  readonly delay: number;
  /** Events, from `started` on, after which the delay begins. 0: it begins when the process is started. */
  readonly afterEvents: number;
}

const killKey = deriveKey(11, 'kills');

/** The moment of kill number `n` for a run that was saved at `savedStep`. */
function chooseKillMoment(n: number, savedStep: number): KillMoment {
  // Near the end, a later kill could miss the run.
  if (steps - savedStep < 60) return { delay: 0, afterEvents: 1 };
  // While the process starts, reads its text or loads its state.
  if (n % 5 === 4) return { delay: uniformAt(killKey, 2 * n + 1) * 700, afterEvents: 0 };
  return {
    delay: uniformAt(killKey, 2 * n + 1) * 12,
    afterEvents: 1 + Math.floor(uniformAt(killKey, 2 * n) * 9),
  };
}

/** Trains in a new process and kills it at that moment. */
async function trainAndKill(dir: string, { delay, afterEvents }: KillMoment): Promise<void> {
  const engineProcess = startEngine();
  const killLater = (): void => {
    setTimeout(() => {
      engineProcess.child.kill('SIGKILL');
    }, delay);
  };
  let seen = 0;
  if (afterEvents === 0) killLater();
  await trainIn(engineProcess, dir, (event) => {
    if (seen === 0 && event.type !== 'started') return;
    seen++;
    if (seen === afterEvents) killLater();
  }).catch((error: unknown) => {
    expect(error).toMatchObject({ code: 'rpc/closed' });
  });
  expect(await engineProcess.exit, `killed after ${seen} events`).toEqual([null, 'SIGKILL']);
}

/** Ends of a process that give it time to save. */
const gentleEnds: readonly (readonly [what: string, end: (child: ChildProcess) => void])[] = [
  [
    'its parent disconnects',
    (child) => {
      child.disconnect();
    },
  ],
  ['it gets SIGTERM', (child) => child.kill('SIGTERM')],
  ['it gets SIGINT', (child) => child.kill('SIGINT')],
];

describe('the engine process', () => {
  it('exits with code 0 when its parent disconnects', async () => {
    expect((await uninterrupted).exit).toEqual([0, null]);
  });

  it(`trains to the same bytes when it is killed ${kills} times at random moments`, async () => {
    const dir = await createRun();
    const states = new Set<string>();
    for (let n = 0; n < kills; n++) {
      await trainAndKill(dir, chooseKillMoment(n, (await newestStep(dir))?.step ?? 0));
      const { state, savedStep, error } = await summarizeRun(dir);
      states.add(state);
      expect({ state: state === 'preparing' ? 'interrupted' : state, error }).toEqual({
        state: 'interrupted',
      });
      const lastStep = stepNumbersOf(await readEvents(dir)).at(-1) ?? 0;
      expect(lastStep).toBeGreaterThanOrEqual(savedStep ?? 0);
      expect((await savedSteps(dir)).length).toBeLessThanOrEqual(3);
    }
    expect(states).toContain('interrupted');
    expect((await newestStep(dir))!.step).toBeLessThan(steps);
    await resumeToEnd(dir);
    await expectSameAsUninterrupted(dir);
    expect((await savedSteps(dir)).map((saved) => saved.step)).toEqual([steps - 2, steps]);
  });

  it.each(gentleEnds)('saves the run and exits with code 0 when %s', async (_, end) => {
    const dir = await createRun();
    const engineProcess = startEngine();
    await trainIn(engineProcess, dir, (event) => {
      if (isStep(event, 7)) end(engineProcess.child);
    }).catch(() => undefined);
    expect(await engineProcess.exit).toEqual([0, null]);
    const { state, step, savedStep } = await summarizeRun(dir);
    expect(state).toBe('paused');
    expect(step).toBeGreaterThanOrEqual(7);
    expect(step).toBeLessThan(steps);
    expect(savedStep).toBe(step);
    await resumeToEnd(dir);
    await expectSameAsUninterrupted(dir);
  });
});

describe('a detached engine process', () => {
  it('trains to the end after its parent has disconnected', async () => {
    const dir = await createRun();
    const engineProcess = startEngine({ CAMBIUM_DETACHED: '1' });
    await trainIn(engineProcess, dir, (event) => {
      if (isStep(event, 3)) engineProcess.child.disconnect();
    }).catch(() => undefined);
    expect(await engineProcess.exit).toEqual([0, null]);
    await expectSameAsUninterrupted(dir);
  });

  it('saves the run before it exits when it gets SIGTERM', async () => {
    const dir = await createRun();
    const engineProcess = startEngine({ CAMBIUM_DETACHED: '1' });
    for await (const event of engineProcess.api.train({ run: dir }))
      if (isStep(event, 3)) {
        engineProcess.child.kill('SIGTERM');
        break;
      }
    expect(await engineProcess.exit).toEqual([0, null]);
    expect((await summarizeRun(dir)).state).toBe('paused');
    await resumeToEnd(dir);
    await expectSameAsUninterrupted(dir);
  });
});
