/** @file Hypercloning, expand and identity for each family, to the sizes that its heads and layers allow. */
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src-main/base/errors.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthRequest } from '../../../src-main/growth/recipe.ts';
import { exactTolerance, makeRequest, makeTinyModel, maxLogitChange, type TinyModel } from '../tiny-model.ts';
import type { Sizes, SizesOf } from '../methods/target-sizes.ts';
import {
  gemmaOlmoPhi3Variants,
  mistralQwenVariants,
  mixtureVariants,
  neoxStablelmOptVariants,
  optProjected,
} from '../variants/index.ts';

const variants = { ...mistralQwenVariants, ...neoxStablelmOptVariants, ...mixtureVariants };

const wholeMultiples: SizesOf = ({ dims }) => {
  const { hidden, ffn, kv_heads: kv, group } = dims as Record<string, number>;
  const widths = [
    { hidden: 2 * hidden! },
    { hidden: 3 * hidden!, ffn: ffn! },
    { hidden: 4 * hidden!, ffn: 2 * ffn! },
    { ffn: 3 * ffn! },
  ];
  if (kv === undefined) return widths;
  return [
    ...widths,
    { hidden: 2 * hidden!, group: 2 * group!, kv_heads: kv },
    { group: 3 * group! },
    { kv_heads: 2 * kv },
  ];
};

/** Sizes that are no multiples: units of the MLP, heads, query heads per KV head, and hidden. */
const oddSizes: SizesOf = ({ dims }) => {
  const { hidden, heads, kv_heads: kv, group, head_dim: head, ...others } = dims as Record<string, number>;
  const ffn = others['ffn']! + 7;
  if (kv === undefined) {
    return [
      { ffn },
      { hidden: hidden! + head! },
      { hidden: hidden! + 2 * head!, ffn },
      { hidden: hidden! + 5 * head! },
      { hidden: heads! * (head! + 2), heads: heads! },
      { hidden: heads! * (head! * 3), heads: heads!, ffn },
    ];
  }
  const withHeads = (kvHeads: number, perKvHead: number): Sizes => ({
    hidden: kvHeads * perKvHead * head!,
    kv_heads: kvHeads,
    group: perKvHead,
    ffn,
  });
  return [
    { ffn },
    { hidden: hidden! + 6 },
    { hidden: hidden! + 7, kv_heads: kv, group: group! },
    { kv_heads: kv + 1 },
    { group: group! + 1 },
    withHeads(kv + 1, group!),
    withHeads(kv, group! + 1),
    withHeads(kv + 2, group! + 2),
    { head_dim: 2 * head! },
    { head_dim: 3 * head!, ffn },
    { hidden: kv * group! * (head! + 2), kv_heads: kv, group: group!, ffn },
  ];
};

const targetSizes: Readonly<Record<string, SizesOf>> = {
  hypercloning: wholeMultiples,
  expand: oddSizes,
  identity: () => [{ layers: 4 }, { layers: 5 }, { layers: 7 }],
};

/** The plan, or undefined if the request is refused; any other error fails the test. */
function planUnlessRefused(source: TinyModel, request: GrowthRequest): GrowthPlan | undefined {
  try {
    return planGrowth(source, request);
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    return undefined;
  }
}

describe.each(Object.entries(targetSizes))('%s', (method, sizesOf) => {
  // Identity layers of a post-norm model are only approximate: post-norm.test.ts.
  const families = Object.entries(variants).filter(
    ([, config]) => method !== 'identity' || config !== optProjected,
  );
  describe.each(families)('of %s', (_, config) => {
    const source = makeTinyModel(config);
    const plans = sizesOf(source).flatMap((to) => {
      const plan = planUnlessRefused(source, makeRequest(method, to));
      return plan ? [[JSON.stringify(to), plan] as const] : [];
    });

    it('plans enough of the sizes', () => {
      const least = config === optProjected && method === 'expand' ? 1 : 3;
      expect(plans.length).toBeGreaterThanOrEqual(least);
    });
    it.each(plans)('to %s keeps the logits', (__, plan) => {
      expect(plan.promise.kind).toBe('function-preserving');
      expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
      if (method === 'identity') expect(maxLogitChange(source, plan)).toBe(0);
    });
  });
});

describe('Gemma, OLMo and Phi-3', () => {
  it.each(Object.entries(gemmaOlmoPhi3Variants))(
    '%s keeps its logits with more heads or layers',
    (_, config) => {
      const source = makeTinyModel(config);
      const { hidden, group, kv_heads: kv } = source.dims as Record<string, number>;
      const change = (request: GrowthRequest): number => {
        const plan = planGrowth(source, request);
        expect(plan.promise.kind).toBe('function-preserving');
        return maxLogitChange(source, plan);
      };
      const cloned = { hidden: 4 * hidden!, kv_heads: 2 * kv!, group: 2 * group! };
      const expanded = { hidden: 2 * hidden!, kv_heads: kv!, group: group! + 1 === 4 ? 4 : 2 * group! };
      expect(change(makeRequest('hypercloning', cloned))).toBeLessThan(exactTolerance);
      expect(change(makeRequest('expand', expanded))).toBeLessThan(exactTolerance);
      expect(change(makeRequest('identity', { layers: 7 }))).toBe(0);
    },
  );
});
