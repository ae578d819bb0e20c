/** @file Shrink and perturb by µP (docs/methods.md, shrink-perturb). */
import { describe, expect, it } from 'vitest';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { factorOf, recipeOf } from '../plan/factor-of.ts';
import { makeRequest, makeTinyModel } from '../tiny-model.ts';
import { llama } from '../variants/index.ts';

describe('shrink-perturb', () => {
  const source = makeTinyModel({ ...llama, tie_word_embeddings: false, initializer_range: 0.05 });
  const plan = planGrowth(source, makeRequest('shrink-perturb', { hidden: 24, ffn: 60 }));

  it.each([
    ['embed_tokens.weight', 0.05, 1],
    ['q_proj.weight', 0.05 / Math.SQRT2, 1 / 2],
    ['down_proj.weight', 0.05 / Math.sqrt(3), 1 / 3],
    ['lm_head.weight', 0.025, 1 / 2],
    ['input_layernorm.weight', 0, 1],
  ])('gives %s the std %f and the learning rate %f of µP', (name, std, lrScale) => {
    expect(recipeOf(plan, name).perturbation).toBeCloseTo(std, 12);
    expect(recipeOf(plan, name).lrScale).toBeCloseTo(lrScale, 12);
  });

  it('shrinks weights and leaves the last norm of an untied model', () => {
    expect(factorOf(plan, 'lm_head.weight')).toBe(0.4);
    expect(factorOf(plan, 'model.norm.weight')).toBe(1);
  });

  it('compensates for a tied head in the last norm', () => {
    const tied = planGrowth(makeTinyModel(llama), makeRequest('shrink-perturb', { hidden: 24 }));
    expect(factorOf(tied, 'model.norm.weight')).toBe(1 / 2);
    expect(recipeOf(tied, 'model.norm.weight').lrScale).toBe(1 / 2);
  });
});
