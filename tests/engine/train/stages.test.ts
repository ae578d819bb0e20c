/** @file A run that grows while it trains: its stages end where they should, and no interruption changes its result. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planStages } from '../../../src-main/growth/plan/stages.ts';
import { growthRecordFile } from '../../../src-main/model/records.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import { newestStep, savedSteps, summarizeRun } from '../../../src-main/store/run/runs.ts';
import { requestGrowth } from '../../../src-main/store/run/stage-files.ts';
import { readStepRecord } from '../../../src-main/store/run/step-record.ts';
import type { RunEvent } from '../../../src-main/train/run.ts';
import { eventsOfType } from '../workbench.ts';
import { createStagedRun, deep, expectSameRun, settings, stages, wide } from './staged-run.ts';
import {
  digestState,
  lossesOf,
  tinyCheckpoint,
  tokensPerSmallStep,
  trainRun,
  trainUntil,
} from './train-run.ts';

const uninterrupted = (async () => {
  const run = await createStagedRun();
  const events = await trainRun(run);
  return { run, events, state: await digestState(run) };
})();

describe('a run with stages', () => {
  it('grows where its stages end, and finishes with the largest model', async () => {
    const { run, events } = await uninterrupted;
    expect(events.at(-1)).toMatchObject({ type: 'stopped', reason: 'finished', step: 9 });
    const { summary } = await openCheckpoint(await tinyCheckpoint);
    const [widened] = planStages(summary, [wide]);
    const deepened = planStages(summary, [wide, deep]).at(-1)!;
    expect(eventsOfType(events, 'grown')).toMatchObject([
      {
        step: 3,
        stage: 2,
        reason: 'tokens',
        method: 'hypercloning',
        tokens: 3 * tokensPerSmallStep,
        steps: 9,
        parametersBefore: widened!.parameters.before,
        parameters: widened!.parameters.after,
        certificate: { promise: 'function-preserving', verdict: 'passed' },
      },
      {
        step: 6,
        stage: 3,
        method: 'identity',
        parameters: deepened.parameters.after,
        certificate: { promise: 'function-preserving', verdict: 'passed' },
      },
    ]);
    const saved = await openCheckpoint(join((await newestStep(run))!.dir, 'model'));
    expect(saved.summary.dims).toEqual(deepened.to);
    expect(existsSync(join(saved.dir, growthRecordFile))).toBe(true);
  });

  it('has the same held-out loss before and after a growth that preserves the function', async () => {
    const { events } = await uninterrupted;
    for (const { lossBefore, lossAfter } of eventsOfType(events, 'grown')) {
      expect(lossBefore).toBeGreaterThan(1);
      expect(Math.abs(lossAfter! - lossBefore!)).toBeLessThan(1e-4);
    }
  });

  it('counts the FLOPs of every stage with the model of that stage', async () => {
    const { run, events } = await uninterrupted;
    const [first, second] = eventsOfType(events, 'grown');
    const { flopsPerToken } = eventsOfType(events, 'started')[0]!;
    const tokens = 3 * tokensPerSmallStep;
    expect(first!.flops).toBeCloseTo(tokens * flopsPerToken!, 0);
    expect(first!.flopsPerToken).toBeGreaterThan(2 * flopsPerToken!);
    expect(second!.flops).toBeCloseTo(tokens * (flopsPerToken! + first!.flopsPerToken), 0);
    const record = await readStepRecord((await newestStep(run))!);
    expect(record.stages).toHaveLength(3);
    expect(record.stages!.at(-1)).toMatchObject({ step: 6, tokens: 2 * tokens, flops: second!.flops });
  });

  it('grows the moments of the optimizer and keeps the checkpoint that was grown', async () => {
    const { run, events } = await uninterrupted;
    for (const { source, step } of eventsOfType(events, 'grown')) {
      expect(source.startsWith(join(run, 'stages'))).toBe(true);
      const record = await readStepRecord({ step, dir: source });
      expect(record).toMatchObject({ updates: step, stageEnd: { reason: 'tokens' } });
    }
    expect((await readStepRecord((await newestStep(run))!)).updates).toBe(9);
  });

  it('shows its stages in the summary', async () => {
    const { run } = await uninterrupted;
    const summary = await summarizeRun(run);
    expect(summary).toMatchObject({ state: 'finished', step: 9, steps: 9, tokens: 9 * tokensPerSmallStep });
    expect(summary.stages).toEqual(stages);
    expect(summary.stageStarts!.map(({ step }) => step)).toEqual([0, 3, 6]);
  });

  it('reads the text on from where the stage before stopped', async () => {
    const short = await createStagedRun([{ until: { tokens: 3 * tokensPerSmallStep } }, { grow: [deep] }]);
    const plain = await createStagedRun([{}]);
    const [grown, same] = [lossesOf(await trainRun(short)), lossesOf(await trainRun(plain))];
    // Identity blocks change nothing at first: the same windows give the same loss.
    expect(grown.slice(0, 3)).toEqual(same.slice(0, 3));
    expect(Math.abs(grown[3]! - same[3]!)).toBeLessThan(1e-3);
  });
});

describe('an interrupted run with stages', () => {
  const stops: readonly (readonly [what: string, isLast: (event: RunEvent) => boolean])[] = [
    ['a step before the boundary', (event) => event.type === 'step' && event.step === 2],
    ['the last step of a stage', (event) => event.type === 'step' && event.step === 3],
    ['the save at the end of a stage', (event) => event.type === 'saved' && event.step === 3],
    ['the growth of weights', (event) => event.type === 'preparing' && event.what === 'growing the model'],
    ['the growth of moments', (event) => event.type === 'preparing' && event.what.includes('moments')],
    ['the certificate', (event) => event.type === 'preparing' && event.what.startsWith('comparing')],
    ['the growth', (event) => event.type === 'grown' && event.stage === 2],
    ['the first step after the boundary', (event) => event.type === 'step' && event.step === 4],
    ['the second growth', (event) => event.type === 'grown' && event.stage === 3],
  ];

  it.each(stops)('continues as if it had not been stopped after %s', async (_, isLast) => {
    const run = await createStagedRun();
    const stopped = await trainUntil(run, isLast);
    expect(stopped.at(-1)).toMatchObject({ type: 'stopped', reason: 'requested' });
    expect((await summarizeRun(run)).state).toBe('paused');
    await trainRun(run);
    await expectSameRun(run, await uninterrupted);
  });
});

describe('the end of a stage', () => {
  it('is reached when the held-out loss is as low as asked', async () => {
    const run = await createStagedRun([{ until: { loss: 1000 } }, { grow: [deep] }], {
      ...settings,
      evaluateEvery: 2,
    });
    const events = await trainRun(run);
    expect(eventsOfType(events, 'grown')).toMatchObject([{ step: 2, reason: 'loss' }]);
  });

  it('is reached when the loss has stopped falling', async () => {
    const run = await createStagedRun([{ until: { plateau: 1e6 } }, { grow: [deep] }], {
      ...settings,
      tokens: 100 * tokensPerSmallStep,
      warmupSteps: 0,
    });
    const events = await trainRun(run);
    const [first] = eventsOfType(events, 'slope');
    expect(eventsOfType(events, 'grown')).toMatchObject([{ step: first!.step, reason: 'plateau' }]);
    expect(first!.low).toBeLessThanOrEqual(first!.fall);
    expect(first!.high).toBeGreaterThanOrEqual(first!.fall);
  });

  it('is reached when a person asks for it, and only for the stage that was meant', async () => {
    const run = await createStagedRun([
      { until: { loss: 0.001 } },
      { grow: [deep], until: { loss: 0.001 } },
      { grow: [wide] },
    ]);
    await requestGrowth(run, 1);
    const events = await trainRun(run);
    expect(eventsOfType(events, 'grown')).toMatchObject([{ step: 1, stage: 2, reason: 'by hand' }]);
    expect(events.at(-1)).toMatchObject({ reason: 'finished', step: 9 });
  });

  it('is not reached by a run that has used all its tokens', async () => {
    const run = await createStagedRun([{ until: { tokens: 20 * tokensPerSmallStep } }, { grow: [deep] }]);
    const events = await trainRun(run);
    expect(eventsOfType(events, 'grown')).toEqual([]);
    expect(events.at(-1)).toMatchObject({ reason: 'finished', step: 9 });
    const [again] = eventsOfType(await trainRun(run), 'stopped');
    expect(again).toMatchObject({ reason: 'failed', error: { code: 'run/finished' } });
  });
});

describe('a stage', () => {
  it('trains with its own batch, context length and learning rate', async () => {
    const run = await createStagedRun([
      { until: { tokens: 4 * tokensPerSmallStep } },
      { grow: [deep], microBatch: 1, gradAccum: 2, contextLength: 32, lr: 1e-4, rewarmSteps: 2 },
    ]);
    const events = await trainRun(run);
    const steps = eventsOfType(events, 'step');
    // Four steps of 32 tokens, then three of 64 tokens to reach 288.
    expect(steps.map(({ tokens }) => tokens)).toEqual([32, 64, 96, 128, 192, 256, 320]);
    expect(steps.at(-1)!.lr).toBeLessThanOrEqual(1e-4);
    expect((await savedSteps(run)).map(({ step }) => step)).toEqual([6, 7]);
  });

  it('begins from random weights only if it is the first', async () => {
    const run = await createStagedRun(stages, { ...settings, init: 'random' });
    const events = await trainRun(run);
    expect(eventsOfType(events, 'grown')).toHaveLength(2);
    for (const { lossBefore, lossAfter } of eventsOfType(events, 'grown'))
      expect(Math.abs(lossAfter! - lossBefore!)).toBeLessThan(1e-4);
  });
});
