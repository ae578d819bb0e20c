import { describe, expect, it } from 'vitest';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { optimizerIds } from '../../src-main/train/optimizers/index.ts';
import { limitsOf, emptyHistory, addStep, type SpikeHistory } from '../../src-main/train/spikes.ts';
import { bucketsOf, stateNames } from '../../src-main/train/state.ts';
import { stepProgram } from '../../src-main/train/step.ts';
import { hostScalars, noLimit, type StepLimits } from '../../src-main/train/update.ts';
import { loadGolden } from '../support/golden.ts';
import { createGraphRunner, type Feed } from '../support/run-graph.ts';

const historyOf = (losses: readonly number[]): SpikeHistory =>
  losses.reduce((history, loss) => addStep(history, { loss, gradNorm: 2 * loss }), emptyHistory);
const wave = (n: number): number[] => Array.from({ length: n }, (_, i) => 3 + (i % 2 ? 0.1 : -0.1));

describe('limitsOf', () => {
  it('are six standard deviations above the mean of the newest 128 steps', () => {
    const { loss, gradNorm } = limitsOf(historyOf([...Array<number>(50).fill(100), ...wave(128)]), 6);
    const std = Math.sqrt((128 * 0.01) / 127);
    expect(loss).toBeCloseTo(3 + 6 * std, 6);
    expect(gradNorm).toBeCloseTo(6 + 12 * std, 5);
  });
  it('only exclude values that are not finite while few steps are known or with threshold 0', () => {
    expect(limitsOf(historyOf(wave(63)), 6)).toEqual({ loss: noLimit, gradNorm: noLimit });
    expect(limitsOf(historyOf(wave(64)), 6).loss).toBeLessThan(4);
    expect(limitsOf(historyOf(wave(128)), 0)).toEqual({ loss: noLimit, gradNorm: noLimit });
  });
  it('adapt to a lasting change of level', () => {
    let history = historyOf(wave(128));
    let skipped = 0;
    for (; 8 >= limitsOf(history, 6).loss && skipped < 50; skipped++)
      history = addStep(history, { loss: 8, gradNorm: 2 });
    expect(skipped).toBeGreaterThan(0);
    expect(skipped).toBeLessThan(10);
  });
  it('count non-finite steps in a row and reset at the next finite one', () => {
    const bad = addStep(addStep(historyOf(wave(5)), { loss: NaN, gradNorm: 1 }), {
      loss: 1,
      gradNorm: Infinity,
    });
    expect(bad).toEqual({ ...historyOf(wave(5)), nonFinite: 2 });
    expect(addStep(bad, { loss: 3, gradNorm: 6 }).nonFinite).toBe(0);
  });
});

describe.each(optimizerIds)('a skipped step of %s', (optimizer) => {
  const g = loadGolden('llama-tied-gqa');
  const family = familyOf(g.config);
  const dims = dimsOf(family, g.config);
  const settings = settingsOf(family, g.config);
  const buckets = bucketsOf(family, parametersOf(family, dims, settings), { maxElements: 3000, optimizer });
  const hyper = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, momentum: 0.9, emaDecay: 0.9 };
  const kept = { emaDecay: 0.9 };
  const tokens = Int32Array.from({ length: 2 * 9 }, (_, i) => (7 * i) % 37);
  const program = createGraphRunner(
    stepProgram({ family, dims, settings, buckets }, { microBatch: 2, contextLength: 8 }, hyper),
  );
  const lengthOf = (name: string): number => buckets[Number(name.split('/')[1])]!.length;
  const start = (): Record<string, Float32Array> => {
    const state = Object.fromEntries(
      stateNames(buckets, kept).map((n) => [
        n,
        new Float32Array(lengthOf(n)).fill(n.startsWith('expAvgSq') ? 0.5 : 0.25),
      ]),
    );
    for (const b of buckets)
      for (const slot of b.slots) state[`weights/${b.index}`]!.set(g.weights.get(slot.name)!, slot.offset);
    return state;
  };
  const run = async (
    state: Record<string, Feed>,
    limits: StepLimits,
  ): Promise<Record<string, Float32Array>> => {
    const { biasCorrection1, biasCorrection2, ...always } = hostScalars(
      { ...hyper, gradClip: 1 },
      3,
      0.01,
      limits,
    );
    const scalars = optimizer === 'sgd' ? always : { ...always, biasCorrection1, biasCorrection2 };
    return (await program)({
      ...state,
      tokens,
      ...Object.fromEntries(Object.entries(scalars).map(([n, x]) => [n, Float32Array.of(x)])),
    });
  };
  const same = (out: Record<string, Float32Array>, state: Record<string, Float32Array>): boolean =>
    stateNames(buckets, kept).every((n) =>
      Buffer.from(out[`next/${n}`]!.buffer).equals(Buffer.from(state[n]!.buffer)),
    );

  it('leaves every bit of the state when its loss or norm is above the limit', async () => {
    const free = await run(start(), { loss: noLimit, gradNorm: noLimit });
    const loss = free['loss']![0]!;
    const gradNorm = free['gradNorm']![0]!;
    expect([free['applied']![0], same(free, start())]).toEqual([1, false]);
    for (const limits of [
      { loss: loss * 0.99, gradNorm: noLimit },
      { loss: noLimit, gradNorm: gradNorm * 0.99 },
      { loss, gradNorm: noLimit },
    ]) {
      const out = await run(start(), limits);
      expect([
        out['applied']![0],
        out['updateRatio']![0],
        out['loss']![0],
        out['gradNorm']![0],
        same(out, start()),
      ]).toEqual([0, 0, loss, gradNorm, true]);
    }
    expect((await run(start(), { loss: loss * 1.01, gradNorm: gradNorm * 1.01 }))['applied']![0]).toBe(1);
  });

  it('leaves every bit of the state when its gradients are not finite', async () => {
    for (const huge of [3e38, -3e38]) {
      // finite, but its products are not
      const state = start();
      const { slot, bucket } = buckets
        .flatMap((bucket) => bucket.slots.map((slot) => ({ bucket, slot })))
        .find(({ slot }) => slot.name === 'model.norm.weight')!;
      state[`weights/${bucket.index}`]!.fill(huge, slot.offset, slot.offset + slot.count);
      const out = await run(state, { loss: noLimit, gradNorm: noLimit });
      expect([out['applied']![0], Number.isFinite(out['gradNorm']![0])]).toEqual([0, false]);
      for (const n of stateNames(buckets, kept))
        expect([n, Buffer.from(out[`next/${n}`]!.buffer).equals(Buffer.from(state[n]!.buffer))]).toEqual([
          n,
          true,
        ]);
    }
  });
});
