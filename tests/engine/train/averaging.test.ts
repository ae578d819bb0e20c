/** @file Averages of the weights: their values, their evaluation, and a resume. */
import { describe, expect, it } from 'vitest';
import { exportRun } from '../../../src-main/engine/export/export-job.ts';
import { openCheckpoint } from '../../../src-main/store/checkpoint/checkpoint.ts';
import type { WeightsKind } from '../../../src-main/train/run.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freePath } from '../../support/temporary.ts';
import { collect, createTestRun, eventsOfType, neverAborted, readValues } from '../workbench.ts';
import {
  digestState,
  readModelAt,
  stepsTo,
  textFile,
  tinyCheckpoint,
  tokensPerSmallStep,
  trainRun,
  trainUntilStep,
} from './train-run.ts';

const emaDecay = 0.6;
const settings = {
  tokens: 8 * tokensPerSmallStep,
  saveEvery: 1,
  evaluateEvery: 4,
  emaDecay,
  averageCheckpoints: 8,
};

/** Exports weights of a run; returns a function that reads one of them. */
async function exportWeights(
  run: string,
  weights: WeightsKind,
): Promise<(name: string) => Promise<Float32Array>> {
  const out = freePath(`export-${weights}`);
  const events = await collect(exportRun({ run, out, dtype: 'keep', weights }, neverAborted));
  expect(events.at(-1)).toMatchObject({ type: 'done' });
  const checkpoint = await openCheckpoint(out);
  return (name) => readValues(checkpoint, name);
}

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((largest, x, i) => Math.max(largest, Math.abs(x - b[i]!)), 0);

/** The moving average of a weight from its values at the start and after each step, in float64. */
function emaOf(start: Float32Array, steps: readonly Float32Array[]): Float64Array {
  let average = Float64Array.from(start);
  for (const [i, values] of steps.entries()) {
    const decay = Math.min(emaDecay, (2 + i) / (11 + i));
    average = average.map((x, j) => decay * x + (1 - decay) * values[j]!);
  }
  return average;
}

const meanOf = (steps: readonly Float32Array[]): Float32Array =>
  steps[0]!.map((_, j) => steps.reduce((sum, values) => sum + values[j]!, 0) / steps.length);

describe('averaged weights', () => {
  const trained = (async () => {
    const dir = await createTestRun(await tinyCheckpoint, textFile, settings);
    return { dir, events: await trainRun(dir) };
  })();

  it('are exported as the averages of the saved weights', async () => {
    const { dir } = await trained;
    const start = await openCheckpoint(await tinyCheckpoint);
    const steps = await Promise.all(stepsTo(8).map((step) => readModelAt(dir, step)));
    const readRaw = await exportWeights(dir, 'raw');
    const readEma = await exportWeights(dir, 'ema');
    const readAverage = await exportWeights(dir, 'average');
    for (const name of steps[0]!.keys()) {
      const values = steps.map((weights) => weights.get(name)!);
      const raw = await readRaw(name);
      const ema = await readEma(name);
      expect(raw).toEqual(values[7]);
      const expectedEma = emaOf(await readValues(start, name), values);
      expect(largestDifference(ema, expectedEma), `EMA of ${name}`).toBeLessThan(1e-6);
      expect(largestDifference(await readAverage(name), meanOf(values)), `mean of ${name}`).toBeLessThan(
        1e-6,
      );
      expect(largestDifference(ema, raw)).toBeGreaterThan(0);
    }
  });

  it('are evaluated on held-out text, the EMA with the weights and the average with each checkpoint', async () => {
    const { events } = await trained;
    const averaged = eventsOfType(events, 'averaged');
    const stepsOfKind = (kind: 'ema' | 'average'): readonly number[] =>
      averaged.filter((event) => event.weights === kind).map((event) => event.step);
    expect(stepsOfKind('ema')).toEqual([4, 8]);
    expect(stepsOfKind('average')).toEqual(stepsTo(8));
    const rawLoss = eventsOfType(events, 'evaluated').at(-1)!.loss;
    for (const { loss, weights } of averaged.filter((event) => event.step === 8)) {
      expect(loss, weights).not.toBe(rawLoss);
      expect(Math.abs(loss - rawLoss), weights).toBeLessThan(1);
    }
  });

  it('are the same bytes after a stop and a resume', async () => {
    const dir = await createTestRun(await tinyCheckpoint, textFile, settings);
    await trainUntilStep(dir, 5);
    await trainRun(dir);
    expect(await digestState(dir)).toEqual(await digestState((await trained).dir));
  });

  it.each(['ema', 'average'] as const)('(%s) cannot be exported from a run without them', async (weights) => {
    const dir = await createTestRun(await tinyCheckpoint, textFile);
    await trainRun(dir);
    await expectAppError('run/no-average', () => exportWeights(dir, weights));
  });
});
