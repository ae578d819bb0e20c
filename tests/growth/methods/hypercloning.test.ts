/** @file HyperCloning: every variant, with and without noise, keeps the logits of every family. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthRequest } from '../../../src-main/growth/recipe.ts';
import { reasons, withoutFactor } from '../break-plan.ts';
import {
  exactTolerance,
  growableSizes,
  growWeights,
  makeRequest,
  makeTinyModel,
  maxLogitChange,
} from '../tiny-model.ts';
import {
  familyVariants,
  gemmaOlmoPhi3Variants,
  gpt2,
  mistralQwenVariants,
  mixtureVariants,
  neoxStablelmOptVariants,
  opt,
  optProjected,
} from '../variants/index.ts';

type Options = GrowthRequest['options'];

/** Multiplies hidden and ffn; returns the largest change of a logit. */
function changeByMultiplying(
  config: JsonObject,
  hiddenTimes: number,
  ffnTimes: number,
  options: Options,
): number {
  const source = makeTinyModel(config);
  const { hidden, ffn } = source.dims as Record<string, number>;
  const to = growableSizes(source, { hidden: hiddenTimes * hidden!, ffn: ffnTimes * ffn! });
  const plan = planGrowth(source, makeRequest('hypercloning', to, options));
  expect(plan.promise.kind).toBe('function-preserving');
  return maxLogitChange(source, plan);
}

const casesOf = (variants: Readonly<Record<string, JsonObject>>, optionSets: readonly Options[]) =>
  optionSets.flatMap((options) =>
    Object.entries(variants).map(
      ([family, config]) => [family, JSON.stringify(options), config, options] as const,
    ),
  );
const factors = [
  [2, 2],
  [3, 1],
  [4, 2],
  [1, 3],
] as const;

describe('hypercloning by 2 and 3', () => {
  const optionSets = ['symmetric', 'diagonal'].flatMap((variant) =>
    [null, 10, 0].map((noise) => ({ variant, noise })),
  );
  it.each(casesOf(familyVariants, optionSets))('keeps the logits of %s with %s', (_, __, config, options) => {
    for (const times of [2, 3]) {
      expect(changeByMultiplying(config, times, 2, options)).toBeLessThan(exactTolerance);
    }
  });
});

describe('hypercloning by other factors', () => {
  const variants = { ...mistralQwenVariants, ...neoxStablelmOptVariants, ...mixtureVariants };
  const optionSets = ['symmetric', 'diagonal'].flatMap((variant) =>
    [null, 10].map((noise) => ({ variant, noise })),
  );
  it.each(casesOf(variants, optionSets))('keeps the logits of %s with %s', (_, __, config, options) => {
    for (const [hidden, ffn] of factors) {
      expect(changeByMultiplying(config, hidden, ffn, options)).toBeLessThan(exactTolerance);
    }
  });

  const gemmaOptionSets: readonly Options[] = [
    { noise: null },
    { noise: 10 },
    { variant: 'diagonal', noise: null },
    { variant: 'diagonal', noise: 10 },
    { break: 'projection' },
  ];
  it.each(casesOf(gemmaOlmoPhi3Variants, gemmaOptionSets))(
    'keeps the logits of %s with %s',
    (_, __, config, options) => {
      for (const [hidden, ffn] of factors) {
        expect(changeByMultiplying(config, hidden, ffn, options)).toBeLessThan(exactTolerance);
      }
    },
  );
});

describe('hypercloning to larger heads without RoPE', () => {
  it('keeps the logits of GPT-2', () => {
    const source = makeTinyModel(gpt2);
    for (const hidden of [24, 36]) {
      const plan = planGrowth(source, makeRequest('hypercloning', { hidden, heads: 3 }));
      expect(plan.to['head_dim']).toBe(hidden / 3);
      expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
    }
  });

  it.each(Object.entries({ opt, optProjected }))(
    'keeps the logits of %s, but not without score factors',
    (_, config) => {
      const source = makeTinyModel(config);
      const plan = planGrowth(source, makeRequest('hypercloning', { hidden: 24, heads: 3 }));
      expect(plan.to['head_dim']).toBe(8);
      expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
      const broken = growWeights(plan, source.weights, withoutFactor(reasons.scores));
      expect(maxLogitChange(source, plan, broken)).toBeGreaterThan(1e-3);
    },
  );
});
