/** @file A tied head without a gain before it (OLMo) gets weights of its own when hidden grows. */
import { describe, expect, it } from 'vitest';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { exactTolerance, growWeights, makeRequest, makeTinyModel, maxLogitChange } from '../tiny-model.ts';
import { olmo } from '../variants/index.ts';

const tied = { ...olmo, tie_word_embeddings: true };

describe('a tied head without a gain before it', () => {
  it.each([
    ['hypercloning', 24],
    ['expand', 18],
    ['clone-pad', 30],
  ] as const)('is untied by %s, and made from the embedding', (method, hidden) => {
    const source = makeTinyModel(tied);
    const plan = planGrowth(source, makeRequest(method, { hidden }));
    const head = plan.tensors.find((recipe) => recipe.name === 'lm_head.weight')!;
    const countOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
    expect(plan.config['tie_word_embeddings']).toBe(false);
    expect(head.source).toBe('model.embed_tokens.weight');
    expect(plan.notes.join(' ')).toContain('weights of its own');
    expect(plan.parameters.after).toBe(plan.tensors.reduce((sum, recipe) => sum + countOf(recipe.to), 0));
    expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
    const grown = growWeights(plan, source.weights);
    const stillTied = { ...plan.config, tie_word_embeddings: true };
    expect(maxLogitChange(source, plan, grown, stillTied)).toBeGreaterThan(0.01);
  });

  it.each([
    makeRequest('expand', { ffn: 25 }),
    makeRequest('identity', { layers: 3 }),
    makeRequest('hypercloning', { heads: 12 }),
  ])('stays tied if hidden stays: $method to $to', (request) => {
    const plan = planGrowth(makeTinyModel(tied), request);
    expect(plan.config['tie_word_embeddings']).toBe(true);
    expect(plan.tensors.some((recipe) => recipe.name === 'lm_head.weight')).toBe(false);
  });
});
