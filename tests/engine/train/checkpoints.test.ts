/** @file Which checkpoints a run keeps, going back to one of them, and early stopping. */
import { describe, expect, it } from 'vitest';
import { savedLosses } from '../../../src-main/store/run/checkpoints.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { claimRun, savedSteps, summarizeRun } from '../../../src-main/store/run/runs.ts';
import { readStepRecord } from '../../../src-main/store/run/step-record.ts';
import { readRun } from '../../../src-main/store/run/folder.ts';
import { bestOf } from '../../../src-main/train/retention.ts';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';
import { createTestRun, eventsOfType } from '../workbench.ts';
import {
  digestState,
  lossesOf,
  stepNumbersOf,
  stepsTo,
  textFile,
  tinyCheckpoint,
  tokensPerSmallStep,
  trainRun,
  trainUntilStep,
} from './train-run.ts';

const steps = 8;
const createRun = async (settings: Partial<TrainingSettings>): Promise<string> =>
  createTestRun(await tinyCheckpoint, textFile, {
    tokens: steps * tokensPerSmallStep,
    saveEvery: 0,
    evaluateEvery: 1,
    ...settings,
  });

const stepsSaved = async (run: string): Promise<readonly number[]> =>
  (await savedSteps(run)).map(({ step }) => step);

describe('the checkpoints of a run', () => {
  it('are the newest two, and those of every N steps', async () => {
    const run = await createRun({ keepEvery: 3, saveEvery: 2 });
    await trainRun(run);
    expect(await stepsSaved(run)).toEqual([3, 6, 8]);
  });

  it('are the best by held-out loss, which are saved where they are measured', async () => {
    // A learning rate that makes the loss rise again.
    const run = await createRun({ keepBest: 2, lr: 0.3, warmupSteps: 0, schedule: 'constant' });
    const events = await trainRun(run);
    const measured = eventsOfType(events, 'evaluated')
      .filter(({ step }) => step > 0)
      .map(({ step, loss }) => ({ step, heldOutLoss: loss }));
    const saved = await savedLosses(run);
    const best = bestOf(measured, 2);
    expect(bestOf(saved, 2).map(({ step, heldOutLoss }) => ({ step, heldOutLoss }))).toEqual(best);
    expect(saved.at(-1)!.step).toBe(steps);
    expect(saved.length).toBeLessThanOrEqual(4);
  });
});

describe('a run that goes back to a checkpoint', () => {
  const settings = { keepEvery: 2, saveEvery: 2, evaluateEvery: 2 };

  it.each([2, 4, 6])('repeats the steps after step %i to the bit', async (step) => {
    const run = await createRun(settings);
    await trainRun(run);
    const before = { losses: lossesOf(await readEvents(run)), state: await digestState(run) };
    await claimRun(run, { step });
    expect(await stepsSaved(run)).toEqual([2, 4, 6].filter((saved) => saved <= step));
    const events = await trainRun(run);
    expect(events.find(({ type }) => type === 'started')).toMatchObject({ step });
    expect(stepNumbersOf(await readEvents(run))).toEqual(stepsTo(steps));
    expect(lossesOf(await readEvents(run))).toEqual(before.losses);
    expect(await digestState(run)).toEqual(before.state);
    expect(await summarizeRun(run)).toMatchObject({ state: 'finished', savedStep: steps });
  });

  it('is refused for a step without a checkpoint, and nothing is deleted', async () => {
    const run = await createRun(settings);
    await trainRun(run);
    await expect(claimRun(run, { step: 3 })).rejects.toMatchObject({ code: 'run/no-step' });
    expect(await stepsSaved(run)).toEqual([2, 4, 6, 8]);
  });
});

describe('early stopping', () => {
  /** No loss falls by 100 nats: the evaluation before the first step stays the best one. */
  const never = { earlyStoppingPatience: 3, earlyStoppingThreshold: 100 };

  it('ends a run when its patience is spent, and says why', async () => {
    const run = await createRun(never);
    const events = await trainRun(run);
    expect(stepNumbersOf(events)).toEqual(stepsTo(3));
    const [first] = eventsOfType(events, 'evaluated');
    const expected = { best: first!.loss, bestStep: 0, evaluations: 3 };
    expect(eventsOfType(events, 'early-stopped')).toEqual([{ type: 'early-stopped', step: 3, ...expected }]);
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished', step: 3 });
    expect(await stepsSaved(run)).toEqual([3]);
    expect(await summarizeRun(run)).toMatchObject({
      state: 'finished',
      step: 3,
      steps,
      earlyStopped: expected,
    });
  });

  it.each([1, 2])('ends at the same step with the same state after a stop at step %i', async (step) => {
    const uninterrupted = await createRun(never);
    await trainRun(uninterrupted);
    const run = await createRun(never);
    await trainUntilStep(run, step);
    expect(await summarizeRun(run)).toMatchObject({ state: 'paused', step });
    await trainRun(run);
    expect(lossesOf(await readEvents(run))).toEqual(lossesOf(await readEvents(uninterrupted)));
    expect(await digestState(run)).toEqual(await digestState(uninterrupted));
    const [saved, other] = [(await savedSteps(run)).at(-1)!, (await savedSteps(uninterrupted)).at(-1)!];
    const record = await readStepRecord(saved);
    expect(record.earlyStopping).toEqual((await readStepRecord(other)).earlyStopping);
  });

  it('ends at once when it is resumed unchanged, and goes on with more patience', async () => {
    const run = await createRun(never);
    await trainRun(run);
    const again = await trainRun(run);
    expect(stepNumbersOf(again)).toEqual([]);
    expect(again.at(-1)).toMatchObject({ reason: 'finished', step: 3 });
    const { settings } = await readRun(run);
    await claimRun(run, { settings: { ...settings, earlyStoppingPatience: 5 } });
    const events = await trainRun(run);
    expect(stepNumbersOf(events)).toEqual([4, 5]);
    expect(eventsOfType(events, 'early-stopped')).toMatchObject([{ step: 5, evaluations: 5 }]);
    await claimRun(run, { settings: { ...settings, earlyStoppingPatience: 0 } });
    expect((await trainRun(run)).at(-1)).toMatchObject({ reason: 'finished', step: steps });
    const summary = await summarizeRun(run);
    expect(summary).toMatchObject({ state: 'finished', step: steps });
    expect(summary.earlyStopped).toBeUndefined();
  });

  it('does not end a run whose loss falls, or that has no held-out text', async () => {
    const falling = await createRun({ earlyStoppingPatience: steps + 1, earlyStoppingThreshold: 100 });
    expect((await trainRun(falling)).at(-1)).toMatchObject({ reason: 'finished', step: steps });
    const without = await createRun({ ...never, heldOut: 0 });
    expect((await trainRun(without)).at(-1)).toMatchObject({ reason: 'finished', step: steps });
  });
});
