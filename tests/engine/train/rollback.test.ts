/** @file Steps that are not finite: skipped, rolled back to the last checkpoint, and in the end the run stops. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { readStepRecord } from '../../../src-main/store/run/step-record.ts';
import { Training, type StepReport } from '../../../src-main/engine/train/training.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { newestStep, summarizeRun } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';
import { createTestRun, eventsOfType, smallSettings } from '../workbench.ts';
import {
  digestState,
  stepNumbersOf,
  textFile,
  tinyCheckpoint,
  tokensPerSmallStep,
  trainRun,
  trainUntil,
} from './train-run.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const nonFinite: StepReport = { loss: NaN, gradNorm: NaN, updateRatio: 0, applied: false };

/**
 * From now on, calls of `Training.step` for whose number (from 1) `isNonFinite` is true report NaN and change
 * nothing. Returns a list to which each call adds the tokens of its batch.
 */
function makeNonFinite(isNonFinite: (call: number) => boolean): readonly string[] {
  const { microBatch, contextLength } = smallSettings;
  const step = Training.prototype.step;
  const batches: string[] = [];
  vi.spyOn(Training.prototype, 'step').mockImplementation(async function (this: Training, order, readBatch) {
    const tokens = new Int32Array(microBatch * (contextLength + 1));
    readBatch(0, tokens, new Int32Array(microBatch * contextLength));
    batches.push(tokens.join(' '));
    return isNonFinite(batches.length) ? nonFinite : step.call(this, order, readBatch);
  });
  return batches;
}

const createRun = async (settings: Partial<TrainingSettings> = {}): Promise<string> =>
  createTestRun(await tinyCheckpoint, textFile, settings);

/** Events of these types as texts such as `step 3`. */
const outline = (events: readonly RunEvent[], types: readonly RunEvent['type'][]): readonly string[] =>
  events.flatMap((event) =>
    types.includes(event.type) && 'step' in event ? [`${event.type} ${event.step}`] : [],
  );

const isSaved = (event: RunEvent, step: number): boolean => event.type === 'saved' && event.step === step;

/** Steps 6, 7 and 8 of the first attempt. */
const threeInARow = (call: number): boolean => call >= 6 && call <= 8;
const twelveSteps = { tokens: 12 * tokensPerSmallStep, saveEvery: 2 };

describe('a rollback', () => {
  it('returns to the last checkpoint and continues behind the batches that were not finite', async () => {
    const batchesInOrder = makeNonFinite(() => false);
    await trainRun(await createRun({ ...twelveSteps, tokens: 16 * tokensPerSmallStep }));
    vi.restoreAllMocks();
    const batches = makeNonFinite(threeInARow);
    const dir = await createRun(twelveSteps);
    const events = await trainRun(dir);
    // One segment of the run per line.
    // prettier-ignore
    expect(outline(events, ['step', 'skipped', 'rolled-back', 'saved', 'stopped'])).toEqual([
      'step 1', 'step 2', 'saved 2', 'step 3', 'step 4', 'saved 4',
      'step 5', 'skipped 6', 'skipped 7', 'skipped 8', 'rolled-back 4',
      'step 5', 'step 6', 'saved 6', 'step 7', 'step 8', 'saved 8',
      'step 9', 'step 10', 'saved 10', 'step 11', 'step 12', 'saved 12', 'stopped 12',
    ]);
    expect(eventsOfType(events, 'rolled-back')).toMatchObject([{ step: 4, from: 8 }]);
    expect(eventsOfType(events, 'skipped')[0]).toMatchObject({ what: 'loss', value: null, limit: null });
    expect(batches).toEqual(batchesInOrder.slice(0, 16));
    expect(await readStepRecord((await newestStep(dir))!)).toMatchObject({
      step: 12,
      cursor: 16,
      updates: 12,
    });
  });

  it('gives the same bytes when the run is stopped and resumed after it', async () => {
    makeNonFinite(threeInARow);
    const uninterrupted = await createRun(twelveSteps);
    await trainRun(uninterrupted);
    vi.restoreAllMocks();
    makeNonFinite(threeInARow);
    const resumed = await createRun(twelveSteps);
    await trainUntil(resumed, (event) => isSaved(event, 8));
    vi.restoreAllMocks();
    await trainRun(resumed);
    expect(await digestState(resumed)).toEqual(await digestState(uninterrupted));
  });

  it('stays in the events when the run resumes from a checkpoint after it', async () => {
    makeNonFinite(threeInARow);
    const dir = await createRun(twelveSteps);
    await trainUntil(dir, (event) => isSaved(event, 6));
    vi.restoreAllMocks();
    const readOutline = async (): Promise<readonly string[]> =>
      outline(await readEvents(dir), ['step', 'skipped', 'rolled-back', 'saved']);
    const before = await readOutline();
    // One segment of the run per line.
    // prettier-ignore
    expect(before.slice(-7)).toEqual([
      'skipped 6', 'skipped 7', 'skipped 8', 'rolled-back 4',
      'step 5', 'step 6', 'saved 6',
    ]);
    await trainRun(dir);
    expect((await readOutline()).slice(0, before.length)).toEqual(before);
  });

  it('returns to the start when no checkpoint was saved', async () => {
    makeNonFinite((call) => call >= 2 && call <= 4);
    const events = await trainRun(await createRun());
    expect(eventsOfType(events, 'rolled-back')).toMatchObject([{ step: 0, from: 4 }]);
    expect(events.at(-1)).toMatchObject({ reason: 'finished', step: 6 });
  });

  it('follows a last step that is not finite', async () => {
    makeNonFinite((call) => call === 6);
    const dir = await createRun({ saveEvery: 4 });
    const events = await trainRun(dir);
    expect(eventsOfType(events, 'rolled-back')).toMatchObject([{ step: 4, from: 6 }]);
    expect(events.at(-1)).toMatchObject({ reason: 'finished', step: 6 });
    expect(await summarizeRun(dir)).toMatchObject({ state: 'finished', savedStep: 6 });
  });
});

describe('steps that are not finite', () => {
  it('are only skipped when they are few', async () => {
    makeNonFinite((call) => call === 3);
    const events = await trainRun(await createRun());
    expect(eventsOfType(events, 'skipped').map((event) => event.step)).toEqual([3]);
    expect(eventsOfType(events, 'rolled-back')).toEqual([]);
    expect(stepNumbersOf(events)).toEqual([1, 2, 4, 5, 6]);
  });

  it('stop the run after too many rollbacks, and its checkpoint can be resumed', async () => {
    makeNonFinite((call) => call > 4);
    const dir = await createRun({ saveEvery: 2, maxRollbacks: 2, rollbackAfter: 2 });
    const events = await trainRun(dir);
    expect(eventsOfType(events, 'rolled-back').map((event) => [event.step, event.from])).toEqual([
      [4, 6],
      [4, 6],
    ]);
    expect(events.at(-1)).toMatchObject({
      type: 'stopped',
      reason: 'failed',
      error: { code: 'run/not-finite' },
    });
    expect(await summarizeRun(dir)).toMatchObject({
      state: 'failed',
      savedStep: 4,
      error: { code: 'run/not-finite' },
    });
    vi.restoreAllMocks();
    expect((await trainRun(dir)).at(-1)).toMatchObject({ reason: 'finished', step: 6 });
  });

  it('are not saved when the run is stopped among them', async () => {
    makeNonFinite((call) => call >= 5);
    const dir = await createRun({ saveEvery: 2, rollbackAfter: 10, tokens: 20 * tokensPerSmallStep });
    await trainUntil(dir, (event) => event.type === 'skipped' && event.step === 6);
    expect(await summarizeRun(dir)).toMatchObject({ state: 'paused', savedStep: 4 });
  });
});
