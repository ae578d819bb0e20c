/** @file The learning rates of a plan, in training (docs/methods.md, Learning rates and moments, Symmetry breaking). */
import { describe, expect, it } from 'vitest';
import { resolveSides } from '../../../src-main/growth/apply/sides.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthRequest } from '../../../src-main/growth/recipe.ts';
import type { Weights } from '../../support/reference.ts';
import { growWeights, makeRequest, makeTinyModel, type TinyModel } from '../tiny-model.ts';
import {
  initialState,
  maxDifferenceOf,
  modelOf,
  noScales,
  scalesOf,
  trainableConfigs,
  trainInFloat64,
} from '../train-grown.ts';

const steps = 30;
const double = (source: TinyModel, options: GrowthRequest['options']): GrowthPlan =>
  planGrowth(source, makeRequest('hypercloning', { hidden: 8, ffn: 24 }, options));

/**
 * How far copies of an entry have moved apart: the root mean square over a weight, relative to that of the
 * weight, for the worst weight that was grown without random terms.
 */
function measureAsymmetry(plan: GrowthPlan, weights: Weights): number {
  let worst = 0;
  for (const recipe of plan.tensors) {
    if (recipe.noise !== null || recipe.projection !== null) continue;
    const { rows, columns } = resolveSides(recipe, plan.maps, plan.from, plan.to);
    const values = weights.get(recipe.name)!;
    const firstCopy = new Map<number, number>();
    let differences = 0;
    let squares = 0;
    for (let row = 0; row < rows.to; row++) {
      for (let column = 0; column < columns.to; column++) {
        const origin = rows.source[row]! * columns.from + columns.source[column]!;
        const value = values[row * columns.to + column]!;
        if (!firstCopy.has(origin)) firstCopy.set(origin, value);
        differences += (value - firstCopy.get(origin)!) ** 2;
        squares += value * value;
      }
    }
    worst = Math.max(worst, Math.sqrt(differences / squares));
  }
  return worst;
}

describe.each(Object.entries(trainableConfigs))('clones of %s', (_, config) => {
  const source = makeTinyModel(config);
  const baseline = trainInFloat64(source, initialState(source.weights), noScales, steps);

  it('follow the losses of the source at the learning rates of the plan, and only at those', () => {
    const plan = double(source, { noise: null });
    const start = initialState(growWeights(plan, source.weights));
    const clones = trainInFloat64(modelOf(plan), start, scalesOf(plan), steps);
    const unscaled = trainInFloat64(modelOf(plan), start, noScales, 10);
    expect(maxDifferenceOf(clones.losses, baseline.losses)).toBeLessThan(1e-9);
    expect(measureAsymmetry(plan, clones.state.weights)).toBeLessThan(1e-9);
    expect(maxDifferenceOf(unscaled.losses, baseline.losses)).toBeGreaterThan(1e-3);
  });

  it.each(['noise', 'projection'])('diverge with %s', (symmetryBreaking) => {
    const plan = double(source, { break: symmetryBreaking });
    const weights = growWeights(plan, source.weights);
    const grown = trainInFloat64(modelOf(plan), initialState(weights), scalesOf(plan), steps);
    expect(measureAsymmetry(plan, weights)).toBe(0);
    expect(grown.losses[0]).toBeCloseTo(baseline.losses[0]!, 9);
    expect(measureAsymmetry(plan, grown.state.weights)).toBeGreaterThan(1e-3);
  });
});
