/** @file A small run that grows twice while it trains, for tests of stages. */
import { expect } from 'vitest';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { readEvents } from '../../../src-main/store/run/events.ts';
import { createRun } from '../../../src-main/store/run/runs.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import type { TrainingSettings } from '../../../src-main/train/settings.ts';
import type { RunStage, StageGrowth } from '../../../src-main/train/stages.ts';
import { freePath } from '../../support/temporary.ts';
import { eventsOfType, smallSettings } from '../workbench.ts';
import {
  digestState,
  lossesOf,
  stepNumbersOf,
  stepsTo,
  textFile,
  tinyCheckpoint,
  tokensPerSmallStep,
} from './train-run.ts';

/** Steps of each of the three stages. */
export const stageSteps = 3;

const growth = (
  method: string,
  to: StageGrowth['to'],
  options: StageGrowth['options'] = {},
): StageGrowth => ({
  method,
  to,
  options,
  seed: 3,
  dtype: 'keep',
});

const { dims } = (await openCheckpoint(await tinyCheckpoint)).summary;
export const wide = growth(
  'hypercloning',
  { hidden: 2 * dims['hidden']!, ffn: 2 * dims['ffn']! },
  { noise: null },
);
export const deep = growth('identity', { layers: 2 * dims['layers']! });

/** Three stages of three steps: train, clone and train, deepen and train. */
export const stages: readonly RunStage[] = [
  { until: { tokens: stageSteps * tokensPerSmallStep } },
  { grow: [wide], until: { tokens: 2 * stageSteps * tokensPerSmallStep } },
  { grow: [deep] },
];
export const settings: Partial<TrainingSettings> = {
  tokens: 3 * stageSteps * tokensPerSmallStep,
  saveEvery: 2,
};

export async function createStagedRun(
  runStages: readonly RunStage[] = stages,
  changes: Partial<TrainingSettings> = settings,
): Promise<string> {
  const dir = freePath('run');
  await createRun(dir, {
    name: 'run',
    checkpoint: await tinyCheckpoint,
    data: [textFile],
    settings: { ...smallSettings, ...changes },
    stages: runStages,
  });
  return dir;
}

/** What the growths of a run did, without what differs from session to session. */
const describeGrown = (events: readonly RunEvent[]): readonly object[] =>
  eventsOfType(events, 'grown').map(({ step, stage, reason, tokens, method, parameters, lossAfter }) => ({
    step,
    stage,
    reason,
    tokens,
    method,
    parameters,
    lossAfter,
  }));

/** Expects that a run has every step and growth once, with the numbers and the bytes of another. */
export async function expectSameRun(
  run: string,
  other: { readonly events: readonly RunEvent[]; readonly state: Readonly<Record<string, string>> },
): Promise<void> {
  const events = await readEvents(run);
  expect(stepNumbersOf(events)).toEqual(stepsTo(3 * stageSteps));
  expect(lossesOf(events)).toEqual(lossesOf(other.events));
  expect(describeGrown(events)).toEqual(describeGrown(other.events));
  expect(await digestState(run)).toEqual(other.state);
}
