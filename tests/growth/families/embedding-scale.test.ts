/**
 * @file Gemma multiplies embeddings by √hidden, rounded to the dtype of the checkpoint: growth divides by the
 * ratio of the rounded numbers.
 */
import { describe, expect, it } from 'vitest';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, TensorRecipe } from '../../../src-main/growth/recipe.ts';
import { breakAndMeasure, reasons, withoutFactor } from '../break-plan.ts';
import { exactTolerance, growWeights, makeRequest, makeTinyModel, maxLogitChange } from '../tiny-model.ts';
import { gemma } from '../variants/index.ts';

const gemmaBfloat16 = { ...gemma, torch_dtype: 'bfloat16' };
const factorOf = (plan: GrowthPlan, name: string): number =>
  plan.tensors
    .find((recipe) => recipe.name.endsWith(name))!
    .factors.reduce((product, f) => product * f.by, 1);

describe('scaled embeddings', () => {
  it('are divided by the ratio of the rounded scales, and the norm before the tied head compensates', () => {
    const plan = planGrowth(makeTinyModel(gemmaBfloat16), makeRequest('hypercloning', { hidden: 24 }));
    const sqrt12 = 3.46875; // √12 and √24 in bfloat16
    const sqrt24 = 4.90625;
    expect(factorOf(plan, 'embed_tokens.weight')).toBeCloseTo(sqrt12 / sqrt24, 12);
    expect(factorOf(plan, 'model.norm.weight')).toBeCloseTo(sqrt24 / sqrt12 / 2, 12);
    expect(plan.tensors.find((recipe) => recipe.name === 'model.norm.weight')!.offset).toBe(1);
  });

  it('stay as they are if the stream is padded, because their scale already scales the stream', () => {
    const plan = planGrowth(makeTinyModel(gemma), makeRequest('expand', { hidden: 18 }));
    expect(Math.abs(factorOf(plan, 'embed_tokens.weight') - 1)).toBeLessThan(2e-7);
    expect(factorOf(plan, 'model.norm.weight')).toBeCloseTo(Math.sqrt(12 / 18), 6);
  });

  it('follow a change of dtype, which rounds the scale anew', () => {
    const source = makeTinyModel({ ...gemma, hidden_size: 24 });
    const plan = planGrowth(source, { ...makeRequest('identity', { layers: 3 }), dtype: 'bfloat16' });
    expect(plan.config['torch_dtype']).toBe('bfloat16');
    expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
    const broken = growWeights(plan, source.weights, withoutFactor(reasons.embeddingScale));
    expect(maxLogitChange(source, plan, broken)).toBeGreaterThan(1e-4);
  });

  it('change the logits if the ratio is not rounded', () => {
    const unrounded = (recipe: TensorRecipe): TensorRecipe => ({
      ...recipe,
      factors: recipe.factors.map((factor) =>
        factor.why.includes(reasons.embeddingScale) ? { ...factor, by: Math.SQRT1_2 } : factor,
      ),
    });
    const request = makeRequest('hypercloning', { hidden: 24 }, { noise: null });
    expect(breakAndMeasure(gemmaBfloat16, request, unrounded)).toBeGreaterThan(1e-4);
  });
});
