import { describe, expect, it } from 'vitest';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { optimizerIds } from '../../src-main/train/optimizers/index.ts';
import { addStep, emptyHistory, limitsOf, type SpikeHistory } from '../../src-main/train/spikes.ts';
import { bucketsOf, stateNames } from '../../src-main/train/state.ts';
import { stepProgram } from '../../src-main/train/step.ts';
import { hostScalars, noLimit, type StepLimits } from '../../src-main/train/update.ts';
import { loadGolden } from '../support/golden.ts';
import { createGraphRunner } from '../support/run-graph.ts';
import { bucketOf, initialState, toScalarFeeds } from './bucket-state.ts';

/** The history of steps with these losses, and with gradient norms twice as large. */
const historyOf = (losses: readonly number[]): SpikeHistory =>
  losses.reduce((history, loss) => addStep(history, { loss, gradNorm: 2 * loss }), emptyHistory);
/** Losses of 2.9 and 3.1 in turn. */
const alternate = (length: number): readonly number[] =>
  Array.from({ length }, (_, i) => 3 + (i % 2 ? 0.1 : -0.1));

describe('limitsOf', () => {
  it('gives six standard deviations above the mean of the newest 128 steps', () => {
    const losses = [...Array<number>(50).fill(100), ...alternate(128)];
    const { loss, gradNorm } = limitsOf(historyOf(losses), 6);
    const std = Math.sqrt((128 * 0.01) / 127);
    expect(loss).toBeCloseTo(3 + 6 * std, 6);
    expect(gradNorm).toBeCloseTo(6 + 12 * std, 5);
  });

  it('sets no limit before 64 steps are known', () => {
    expect(limitsOf(historyOf(alternate(63)), 6)).toEqual({ loss: noLimit, gradNorm: noLimit });
    expect(limitsOf(historyOf(alternate(64)), 6).loss).toBeLessThan(4);
  });

  it('sets no limit with a threshold of 0', () => {
    expect(limitsOf(historyOf(alternate(128)), 0)).toEqual({ loss: noLimit, gradNorm: noLimit });
  });

  it('adapts to a lasting change of the loss', () => {
    let history = historyOf(alternate(128));
    let skipped = 0;
    while (limitsOf(history, 6).loss <= 8 && skipped < 50) {
      history = addStep(history, { loss: 8, gradNorm: 2 });
      skipped++;
    }
    expect(skipped).toBeGreaterThan(0);
    expect(skipped).toBeLessThan(10);
  });
});

describe('addStep', () => {
  it('counts the steps in a row that are not finite', () => {
    const history = historyOf(alternate(5));
    const one = addStep(history, { loss: NaN, gradNorm: 1 });
    const two = addStep(one, { loss: 1, gradNorm: Infinity });
    expect(two).toEqual({ ...history, nonFinite: 2 });
    expect(addStep(two, { loss: 3, gradNorm: 6 }).nonFinite).toBe(0);
  });
});

type State = Record<string, Float32Array>;

describe.each(optimizerIds)('a skipped step of %s', (optimizer) => {
  const golden = loadGolden('llama-tied-gqa');
  const family = familyOf(golden.config);
  const dims = dimsOf(family, golden.config);
  const settings = settingsOf(family, golden.config);
  const buckets = bucketsOf(family, parametersOf(family, dims, settings), { maxElements: 3000, optimizer });
  const emaDecay = 0.9;
  const hyperparameters = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, momentum: 0.9, emaDecay };
  const names = stateNames(buckets, { emaDecay });
  const tokens = Int32Array.from({ length: 2 * 9 }, (_, i) => (7 * i) % 37);
  const shape = { microBatch: 2, contextLength: 8 };
  const program = createGraphRunner(stepProgram({ family, dims, settings, buckets }, shape, hyperparameters));

  /** State in the middle of a run: no part of it is 0. */
  function createState(): State {
    const state = initialState(buckets, golden.weights, { emaDecay });
    for (const name of names)
      if (!name.startsWith('weights')) state[name]!.fill(name.startsWith('expAvgSq') ? 0.5 : 0.25);
    return state;
  }

  async function runStep(state: State, limits: StepLimits): Promise<State> {
    const scalars = hostScalars({ ...hyperparameters, gradClip: 1 }, 3, 0.01, limits);
    const { biasCorrection1, biasCorrection2, ...always } = scalars;
    const hasMoments = optimizer !== 'sgd';
    const feeds = toScalarFeeds(hasMoments ? { ...always, biasCorrection1, biasCorrection2 } : always);
    return (await program)({ ...state, ...feeds, tokens });
  }

  /** Names of the state tensors that differ in any bit. */
  const changedIn = (outputs: State, state: State): readonly string[] =>
    names.filter((name) => {
      const before = Buffer.from(state[name]!.buffer);
      return !Buffer.from(outputs[`next/${name}`]!.buffer).equals(before);
    });

  it('leaves every bit of the state when its loss or gradient norm is not below the limit', async () => {
    const free = await runStep(createState(), { loss: noLimit, gradNorm: noLimit });
    const loss = free['loss']![0]!;
    const gradNorm = free['gradNorm']![0]!;
    expect(free['applied']![0]).toBe(1);
    expect(changedIn(free, createState())).not.toEqual([]);
    for (const limits of [
      { loss: loss * 0.99, gradNorm: noLimit },
      { loss: noLimit, gradNorm: gradNorm * 0.99 },
      { loss, gradNorm: noLimit },
    ]) {
      const skipped = await runStep(createState(), limits);
      expect(skipped['applied']![0]).toBe(0);
      expect(skipped['updateRatio']![0]).toBe(0);
      expect([skipped['loss']![0], skipped['gradNorm']![0]]).toEqual([loss, gradNorm]);
      expect(changedIn(skipped, createState())).toEqual([]);
    }
    const below = await runStep(createState(), { loss: loss * 1.01, gradNorm: gradNorm * 1.01 });
    expect(below['applied']![0]).toBe(1);
  });

  it.each([3e38, -3e38])(
    'leaves every bit of the state when weights of %d make gradients infinite',
    async (huge) => {
      const state = createState();
      for (const name of names.filter((each) => each.startsWith('weights'))) {
        const slot = bucketOf(name, buckets).slots.find((each) => each.name === 'model.norm.weight');
        if (slot) state[name]!.fill(huge, slot.offset, slot.offset + slot.count);
      }
      const skipped = await runStep(state, { loss: noLimit, gradNorm: noLimit });
      expect(skipped['applied']![0]).toBe(0);
      expect(Number.isFinite(skipped['gradNorm']![0])).toBe(false);
      expect(changedIn(skipped, state)).toEqual([]);
    },
  );
});
