/** @file OPT with norms after the residual sum (OPT-350M), and the sizes and positions of OPT in general. */
import { describe, expect, it } from 'vitest';
import type { AppError } from '../../../src-main/base/errors.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthRequest, TensorRecipe } from '../../../src-main/growth/recipe.ts';
import { breakAndMeasure, reasons, withoutFactor } from '../break-plan.ts';
import { growWeights, makeRequest, makeTinyModel, maxLogitChange } from '../tiny-model.ts';
import { opt, optProjected } from '../variants/index.ts';

describe('a post-norm model', () => {
  const source = makeTinyModel(optProjected);
  const errorOf = (request: GrowthRequest): AppError => {
    try {
      planGrowth(source, request);
    } catch (error) {
      return error as AppError;
    }
    throw new Error('the request was planned');
  };

  it('cannot be padded, and is offered whole multiples by hypercloning', () => {
    for (const eps of ['keep', 'scale'])
      expect(errorOf(makeRequest('expand', { hidden: 16 }, { eps })).code).toBe('growth/post-norm');
    expect(errorOf(makeRequest('expand', { hidden: 24 })).message).toContain('hypercloning');
    const { nearest } = errorOf(makeRequest('hypercloning', { hidden: 16 })).detail as { nearest: unknown };
    expect(nearest).toEqual([24]);
    expect(planGrowth(source, makeRequest('hypercloning', { hidden: 24 })).promise.kind).toBe(
      'function-preserving',
    );
  });

  it.each([
    ['copy-pad', {}],
    ['copy-pad', { fill: 'zero' }],
    ['shrink-perturb', {}],
  ])('can be padded by %s with %j, which promises nothing', (method, options) => {
    const plan = planGrowth(source, makeRequest(method, { hidden: 16 }, options));
    expect(plan.promise.kind).toBe('none');
    expect(maxLogitChange(source, plan)).toBeGreaterThan(0.5);
    if (method === 'copy-pad')
      expect(plan.promise.why.join(' ')).toMatch(/residual stream is normalized itself/);
  });

  it.each([{ layers: 3 }, { layers: 4 }, { layers: 7 }])(
    'changes its logits by about eps with identity layers to %o, as the plan says',
    (to) => {
      const plan = planGrowth(source, makeRequest('identity', to));
      expect(plan.promise.kind).toBe('none');
      expect(maxLogitChange(source, plan)).toBeLessThan(2e-4);
      expect(maxLogitChange(source, plan)).toBeGreaterThan(0);
    },
  );

  it('changes its logits much if identity layers only write zeros and keep their norms', () => {
    const withoutMove = withoutFactor(reasons.postNorm);
    const change = (recipe: TensorRecipe): TensorRecipe => ({
      ...withoutMove(recipe),
      ...(recipe.kind === 'gain' ? { offset: 0 } : {}),
    });
    expect(breakAndMeasure(optProjected, makeRequest('identity', { layers: 4 }), change)).toBeGreaterThan(
      0.05,
    );
  });
});

describe('OPT', () => {
  const request = makeRequest('hypercloning', { hidden: 24 });

  it('grows word_embed_proj_dim with hidden_size only if they are equal', () => {
    expect(planGrowth(makeTinyModel(opt), request).config).toMatchObject({
      hidden_size: 24,
      word_embed_proj_dim: 24,
      num_attention_heads: 6,
    });
    expect(planGrowth(makeTinyModel(optProjected), request).config).toMatchObject({
      hidden_size: 24,
      word_embed_proj_dim: 8,
      do_layer_norm_before: false,
    });
  });

  it('keeps the two unused rows of the position embeddings first', () => {
    const source = makeTinyModel(opt);
    const plan = planGrowth(source, request);
    const recipe = plan.tensors.find((one) => one.name === 'embed_positions.weight')!;
    expect(recipe.from).toEqual([14, 12]);
    expect(recipe.to).toEqual([14, 24]);
    const old = source.weights.get(recipe.name)!;
    const grown = growWeights(plan, source.weights).get(recipe.name)!;
    for (let row = 0; row < 14; row++) {
      const firstCopy = grown.subarray(row * 24, row * 24 + 12);
      expect([...firstCopy]).toEqual([...old.subarray(row * 12, (row + 1) * 12)]);
    }
  });
});
