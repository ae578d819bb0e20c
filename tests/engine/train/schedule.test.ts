/** @file Changes of the schedule of a run: a decay on request, and an extension. */
import { describe, expect, it } from 'vitest';
import { train } from '../../../src-main/engine/train/train-job.ts';
import { createAborter } from '../../../src-main/base/signals.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { changeSettings, readRun, requestDecay, summarizeRun } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { decayFrom, extend, learningRate } from '../../../src-main/train/schedule.ts';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';
import { createTestRun, eventsOfType, smallSettings } from '../workbench.ts';
import {
  digestState,
  lossesOf,
  stepNumbersOf,
  stepsTo,
  textFile,
  tinyCheckpoint,
  tokensPerSmallStep,
  trainRun,
} from './train-run.ts';

const settings = { tokens: 20 * tokensPerSmallStep, saveEvery: 3, schedule: 'wsd' } as const;

const learningRatesOf = (events: readonly RunEvent[]): readonly number[] =>
  eventsOfType(events, 'step').map((event) => event.lr);
const expectedRates = (s: TrainingSettings, steps: number): readonly number[] =>
  stepsTo(steps).map((step) => learningRate(s, step));

/** Trains a run that is asked at step 5 to decay over 6 steps, and that may be stopped at `pauseAt`. */
async function trainWithDecay(pauseAt?: number): Promise<string> {
  const dir = await createTestRun(await tinyCheckpoint, textFile, settings);
  const { signal, abort } = createAborter();
  for await (const event of train({ run: dir }, signal)) {
    if (event.type !== 'step') continue;
    if (event.step === 5) await requestDecay(dir, 6);
    if (event.step === pauseAt) abort();
  }
  return dir;
}

describe('a decay on request', () => {
  const decayed = trainWithDecay();

  it('lowers the learning rate from the next step on and ends the run', async () => {
    const dir = await decayed;
    const events = await readEvents(dir);
    const before = (await readRun(await createTestRun(await tinyCheckpoint, textFile, settings))).settings;
    const after = decayFrom(before, 5, 6);
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished', step: 11 });
    expect(eventsOfType(events, 'rescheduled')).toMatchObject([{ step: 5, steps: 11 }]);
    expect(learningRatesOf(events)).toEqual(expectedRates(after, 11));
    expect(await summarizeRun(dir)).toMatchObject({ state: 'finished', steps: 11, step: 11 });
    expect((await readRun(dir)).settings).toEqual(after);
  });

  it('gives the same bytes when the run is stopped and resumed during the decay', async () => {
    const dir = await trainWithDecay(8);
    expect((await trainRun(dir)).at(-1)).toMatchObject({ reason: 'finished', step: 11 });
    expect(await digestState(dir)).toEqual(await digestState(await decayed));
  });
});

describe('an extension', () => {
  it('keeps the finished steps and continues with the new schedule', async () => {
    const dir = await createTestRun(await tinyCheckpoint, textFile, {
      ...settings,
      tokens: 6 * tokensPerSmallStep,
    });
    const lossesBefore = lossesOf(await trainRun(dir));
    const extended = extend((await readRun(dir)).settings, 6, 12 * tokensPerSmallStep, 2);
    await changeSettings(dir, extended);
    expect((await trainRun(dir)).at(-1)).toMatchObject({ reason: 'finished', step: 12 });
    const events = await readEvents(dir);
    expect(stepNumbersOf(events)).toEqual(stepsTo(12));
    expect(lossesOf(events).slice(0, 6)).toEqual(lossesBefore);
    expect(learningRatesOf(events)).toEqual(expectedRates(extended, 12));
    expect(learningRatesOf(events)[7]!).toBeCloseTo(smallSettings.lr, 12);
  });
});
