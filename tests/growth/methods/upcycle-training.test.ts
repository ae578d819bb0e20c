/** @file Upcycled models in training: experts diverge, the router learns, and gradients sum to those of the source. */
import { describe, expect, it } from 'vitest';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthRequest } from '../../../src-main/growth/recipe.ts';
import type { Weights } from '../../support/reference.ts';
import { growWeights, makeRequest, makeTinyModel } from '../tiny-model.ts';
import {
  firstMoments,
  initialState,
  maxDifferenceOf,
  modelOf,
  noScales,
  scalesOf,
  trainableConfigs,
  trainInFloat64,
  type Training,
} from '../train-grown.ts';

const source = makeTinyModel(trainableConfigs['llama, tied, MQA']);
const router = 'model.layers.0.block_sparse_moe.gate.weight';
const weightNames = ['w1', 'w2', 'w3'] as const;
const nameOf = (expert: number, weight: string): string =>
  `model.layers.0.block_sparse_moe.experts.${expert}.${weight}.weight`;

const upcycle = (options: GrowthRequest['options']): GrowthPlan =>
  planGrowth(source, makeRequest('upcycle', {}, { router: 0.5, ...options }));
const train = (plan: GrowthPlan, steps: number): Training => {
  const start = initialState(growWeights(plan, source.weights));
  return trainInFloat64(modelOf(plan), start, scalesOf(plan), steps);
};
const largest = (values: Float64Array): number => Math.max(...values.map(Math.abs));

/** Whether all weights of two experts differ. */
const areDifferent = (weights: Weights, first: number, second: number): boolean =>
  weightNames.every((name) => {
    const other = weights.get(nameOf(second, name))!;
    return weights.get(nameOf(first, name))!.some((value, i) => Math.abs(value - other[i]!) > 1e-4);
  });

describe('an upcycled model', () => {
  it.each([
    [{ experts: 3, active: 2 }, 0, 1],
    [{ experts: 4, active: 2, shards: 2 }, 0, 2],
  ] as const)(
    'starts at the loss of the source with %o, and then its experts diverge',
    (options, first, second) => {
      const plan = upcycle(options);
      const start = growWeights(plan, source.weights);
      const { losses, state } = train(plan, 12);
      const baseline = trainInFloat64(source, initialState(source.weights), noScales, 1);
      expect(losses[0]).toBeCloseTo(baseline.losses[0]!, 9);
      expect(areDifferent(start, first, second)).toBe(false);
      expect(areDifferent(state.weights, first, second)).toBe(true);
      expect(maxDifferenceOf(state.weights.get(router)!, start.get(router)!)).toBeGreaterThan(1e-3);
    },
  );

  it('has gradients that sum to those of the source over the experts', () => {
    const plan = upcycle({ experts: 3, active: 2 });
    const gradients = firstMoments(modelOf(plan), growWeights(plan, source.weights));
    const sourceGradients = firstMoments(source, source.weights);
    for (const [expertName, denseName] of [
      ['w1', 'gate_proj'],
      ['w2', 'down_proj'],
      ['w3', 'up_proj'],
    ] as const) {
      const dense = sourceGradients.get(`model.layers.0.mlp.${denseName}.weight`)!;
      const sums = dense.map((_, i) =>
        [0, 1, 2].reduce((sum, expert) => sum + gradients.get(nameOf(expert, expertName))![i]!, 0),
      );
      expect(maxDifferenceOf(sums, dense)).toBeLessThan(1e-12);
    }
  });
});

describe('the router', () => {
  it('follows the load-balancing loss, which the reported loss leaves out', () => {
    const firstStep = (balance: number): Training => train(upcycle({ balance }), 1);
    const gradientOf = (training: Training): Float64Array => training.state.expAvg.get(router)!;
    const without = firstStep(0);
    const once = firstStep(0.01);
    const twice = firstStep(0.02);
    expect(once.losses).toEqual(without.losses);
    // Experts are equal at first, so only the load-balancing loss depends on the router.
    expect(largest(gradientOf(without))).toBeLessThan(1e-15);
    expect(largest(gradientOf(once))).toBeGreaterThan(1e-6);
    const doubled = gradientOf(once).map((value) => 2 * value);
    expect(maxDifferenceOf(gradientOf(twice), doubled)).toBeLessThan(1e-12);
  });

  it('has no gradient if it chooses one expert with weight one, as the plan says', () => {
    const plan = upcycle({ active: 1, experts: 2, balance: 0 });
    const { state } = train(plan, 5);
    expect(plan.dead.map(({ axis }) => axis)).toEqual(['experts']);
    expect(largest(state.expAvg.get(router)!)).toBeLessThan(1e-15);
  });
});
