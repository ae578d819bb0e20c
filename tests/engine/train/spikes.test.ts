/** @file A run skips steps whose loss or gradient norm is an outlier. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readEvents } from '../../../src-main/store/run/events.ts';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';
import { freshFolder } from '../../support/temporary.ts';
import { createTestRun, eventsOfType } from '../workbench.ts';
import {
  digestState,
  stepNumbersOf,
  stepsTo,
  tinyCheckpoint,
  trainRun,
  trainUntilStep,
} from './train-run.ts';

/** A regular text with a few irregular characters in the middle. */
const text = join(freshFolder(), 'even.txt');
writeFileSync(text, `${'abcd'.repeat(140)}QzXj#7!vK%pW@0&Y${'abcd'.repeat(140)}`);

const steps = 210;
/** Three epochs of the text. */
const settings = {
  tokens: steps * 16,
  microBatch: 1,
  lr: 1e-2,
  warmupSteps: 1,
  schedule: 'constant',
  heldOut: 0,
} as const;

const createRun = async (changes: Partial<TrainingSettings> = {}): Promise<string> =>
  createTestRun(await tinyCheckpoint, text, { ...settings, ...changes });

describe('a loss spike', () => {
  const uninterrupted = (async () => {
    const dir = await createRun();
    const events = await trainRun(dir);
    return { dir, events, skipped: eventsOfType(events, 'skipped') };
  })();

  it('is skipped, which changes no weight', async () => {
    const { events, skipped } = await uninterrupted;
    const stepEvents = eventsOfType(events, 'step');
    expect(skipped.length).toBeGreaterThan(0);
    for (const { step, what, value, limit } of skipped) {
      expect(value!).toBeGreaterThanOrEqual(limit!);
      const field = what === 'loss' ? 'loss' : 'gradNorm';
      expect(stepEvents[step - 1]).toMatchObject({ step, updateRatio: 0, [field]: value });
    }
    expect(stepNumbersOf(events)).toEqual(stepsTo(steps));
    const unchanged = stepEvents.filter((event) => event.updateRatio === 0);
    expect(unchanged.map((event) => event.step)).toEqual(skipped.map((event) => event.step));
  });

  it('is skipped in the same way by a resumed run, because the limits are saved', async () => {
    const { dir, skipped } = await uninterrupted;
    const resumed = await createRun();
    await trainUntilStep(resumed, skipped[0]!.step - 3);
    await trainRun(resumed);
    expect(eventsOfType(await readEvents(resumed), 'skipped')).toEqual(skipped);
    expect(await digestState(resumed)).toEqual(await digestState(dir));
  });

  it('is not skipped with a spike threshold of 0', async () => {
    const events = await trainRun(await createRun({ spikeThreshold: 0 }));
    expect(eventsOfType(events, 'skipped')).toEqual([]);
  });
});
