/** @file OLMo 2, whose norms span the queries and keys of all heads together. */
import { describe, expect, it } from 'vitest';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthRequest, TensorRecipe } from '../../../src-main/growth/recipe.ts';
import { breakAndMeasure } from '../break-plan.ts';
import { exactTolerance, makeRequest, makeTinyModel, maxLogitChange } from '../tiny-model.ts';
import { olmo2 } from '../variants/index.ts';

const plan = (request: GrowthRequest): GrowthPlan => planGrowth(makeTinyModel(olmo2), request);
const exactChange = (request: GrowthRequest): number => {
  const source = makeTinyModel(olmo2);
  const made = planGrowth(source, request);
  expect(made.promise.kind).toBe('function-preserving');
  return maxLogitChange(source, made);
};

describe('norms over all heads', () => {
  it('refuse new key heads and uneven copies, and name what is possible', () => {
    const uneven = makeRequest('net2net', { group: 4 });
    expect(() => plan(makeRequest('expand', { hidden: 24, kv_heads: 4 }))).toThrow(
      'norms span the queries and keys of all heads',
    );
    expect(() => plan(uneven)).toThrow('uneven copies would change its mean square');
    expect(() => plan(uneven)).toThrow(/nearest possible group is 6/);
    expect(exactChange(makeRequest('net2net', { group: 6 }))).toBeLessThan(exactTolerance);
  });

  it('allow new query heads, if they are zero and the norm compensates for them', () => {
    const request = makeRequest('expand', { hidden: 24, kv_heads: 2, group: 4 });
    expect(exactChange(request)).toBeLessThan(exactTolerance);
    const drawQueries = (recipe: TensorRecipe): TensorRecipe =>
      recipe.name.includes('q_proj')
        ? { ...recipe, std: 0.5, fills: { ...recipe.fills, group: 'draw' } }
        : recipe;
    const withoutNormFactors = (recipe: TensorRecipe): TensorRecipe =>
      recipe.name.includes('q_norm') ? { ...recipe, factors: [] } : recipe;
    expect(breakAndMeasure(olmo2, request, drawQueries)).toBeGreaterThan(1e-3);
    expect(breakAndMeasure(olmo2, request, withoutNormFactors)).toBeGreaterThan(1e-3);
  });

  it('keep the number of heads if only hidden is requested', () => {
    expect(plan(makeRequest('expand', { hidden: 18 })).to).toMatchObject({ kv_heads: 2, group: 3 });
  });
});
