/**
 * @file Larger heads by expand: RoPE pairs are scattered, a partial RoPE keeps its width, and norms on queries and
 * keys leave their new entries untrainable.
 */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src-main/base/json.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, TensorRecipe } from '../../../src-main/growth/recipe.ts';
import { withRotatedWidth } from '../../../src-main/model/rope-config.ts';
import { pad } from '../../../src-main/tensor/axis-map.ts';
import { breakAndMeasure, reasons, withoutFactor } from '../break-plan.ts';
import type { Sizes } from '../methods/target-sizes.ts';
import { exactTolerance, growWeights, makeRequest, makeTinyModel, maxLogitChange } from '../tiny-model.ts';
import {
  gemma,
  gemma2,
  gemma3,
  gptNeox,
  olmo,
  olmo2,
  phi3,
  qwen3,
  qwen3Moe,
  stablelm,
} from '../variants/index.ts';

/** Plans larger heads, which must be exact; returns the largest change of a logit. */
function changeByExpanding(config: JsonObject, headDim: number): number {
  const source = makeTinyModel(config);
  const plan = planGrowth(source, makeRequest('expand', { head_dim: headDim }));
  expect(plan.promise.kind).toBe('function-preserving');
  return maxLogitChange(source, plan);
}
const expandHeads = makeRequest('expand', { head_dim: 8 });
const deadAxes = (plan: GrowthPlan): readonly string[] => plan.dead.map(({ axis }) => axis);

describe('heads with RoPE', () => {
  it.each(Object.entries({ gemma, gemma2, olmo }))('of %s grow by scattering their pairs', (_, config) => {
    for (const times of [2, 3]) {
      expect(changeByExpanding(config, 4 * times)).toBeLessThan(exactTolerance);
    }
    const source = makeTinyModel(config);
    const plan = planGrowth(source, expandHeads);
    const appended = { ...plan, maps: { ...plan.maps, head_dim: pad(4, 8) } };
    const grown = growWeights(appended, source.weights);
    expect(maxLogitChange(source, appended, grown)).toBeGreaterThan(1e-3);
  });

  it('have no score factor in gemma2, whose scores do not depend on the head size', () => {
    const factorOfKeys = (config: JsonObject): number => {
      const plan = planGrowth(makeTinyModel(config), expandHeads);
      const recipe = plan.tensors.find(({ name }) => name.endsWith('0.self_attn.k_proj.weight'))!;
      return recipe.factors.reduce((product, factor) => product * factor.by, 1);
    };
    expect(factorOfKeys(gemma2)).toBe(1);
    expect(factorOfKeys(gemma)).not.toBe(1);
  });
});

describe('heads with partial RoPE', () => {
  const wider = (config: JsonObject): Sizes =>
    config === gptNeox ? { hidden: 36, heads: 3 } : { hidden: 48, kv_heads: 2, group: 3 };
  const shareKey = (config: JsonObject): string =>
    config === gptNeox ? 'rotary_pct' : 'partial_rotary_factor';

  it.each(Object.entries({ gptNeox, stablelm }))('of %s rotate as many entries as before', (_, config) => {
    const source = makeTinyModel(config);
    const plan = planGrowth(source, makeRequest('expand', wider(config)));
    const from = plan.from['head_dim']!;
    const to = plan.to['head_dim']!;
    expect([from, to]).toEqual(config === gptNeox ? [8, 12] : [4, 8]);
    expect(Math.trunc(to * Number(plan.config[shareKey(config)]))).toBe(Math.trunc(from * 0.5));
    expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
    const grown = growWeights(plan, source.weights);
    const oldShare = { ...plan.config, [shareKey(config)]: 0.5 };
    expect(maxLogitChange(source, plan, grown, oldShare)).toBeGreaterThan(1e-3);
    const broken = growWeights(plan, source.weights, withoutFactor(reasons.scores));
    expect(maxLogitChange(source, plan, broken)).toBeGreaterThan(1e-3);
    expect(plan.dead).toEqual([]);
    expect(plan.promise.why.join(' ')).toContain('as many entries as before');
  });

  it('of phi3 grow to any size', () => {
    for (const headDim of [6, 7, 12]) {
      expect(changeByExpanding(phi3, headDim)).toBeLessThan(exactTolerance);
    }
  });

  it('write the rotated share to the key that had it', () => {
    const entries = Object.entries(gptNeox).filter(([key]) => key !== 'rotary_pct');
    const nested: JsonObject = {
      ...Object.fromEntries(entries),
      rope_parameters: { rope_type: 'default', rope_theta: 10_000, partial_rotary_factor: 0.5 },
    };
    const { config } = planGrowth(makeTinyModel(nested), makeRequest('expand', wider(gptNeox)));
    expect(config).not.toHaveProperty('rotary_pct');
    expect(config['rope_parameters']).toEqual({
      rope_type: 'default',
      rope_theta: 10_000,
      partial_rotary_factor: 4 / 12,
    });
  });

  it('write a share that transformers never rounds down to a smaller width', () => {
    for (let from = 2; from <= 128; from += 2) {
      for (let to = from + 1; to <= 300; to++) {
        const share = Number(withRotatedWidth({}, 'rotary_pct', 1, from, to)['rotary_pct']);
        expect(Math.trunc(to * share)).toBe(from);
      }
    }
  });
});

describe('heads with norms on queries and keys', () => {
  it.each(Object.entries({ qwen3, qwen3Moe }))(
    'of %s grow exactly, and new entries of queries and keys are reported as untrainable',
    (_, config) => {
      const source = makeTinyModel(config);
      const plan = planGrowth(source, expandHeads);
      expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
      expect(deadAxes(plan)).toEqual(['head_dim']);
      const fillOf = (part: string): unknown =>
        plan.tensors.find((recipe) => recipe.name.endsWith(`0.self_attn.${part}_proj.weight`))!.fills[
          'head_dim'
        ];
      expect([fillOf('q'), fillOf('k'), fillOf('v')]).toEqual(['zero', 'zero', 'draw']);
      for (const reason of [reasons.scores, reasons.newNormInputs, reasons.normAfter]) {
        const broken = growWeights(plan, source.weights, withoutFactor(reason));
        expect(maxLogitChange(source, plan, broken), reason).toBeGreaterThan(1e-3);
      }
      const drawQueries = (recipe: TensorRecipe): TensorRecipe =>
        recipe.name.includes('q_proj') ? { ...recipe, fills: { ...recipe.fills, head_dim: 'draw' } } : recipe;
      const broken = growWeights(plan, source.weights, drawQueries);
      expect(maxLogitChange(source, plan, broken)).toBeGreaterThan(1e-4);
    },
  );

  it.each(Object.entries({ gemma3, olmo2 }))(
    'of %s grow exactly, and new entries of queries and keys are reported as untrainable',
    (_, config) => {
      for (const times of [2, 3]) {
        expect(changeByExpanding(config, 4 * times)).toBeLessThan(exactTolerance);
      }
      expect(deadAxes(planGrowth(makeTinyModel(config), expandHeads))).toEqual(['head_dim']);
      const withoutNormFactors = (recipe: TensorRecipe): TensorRecipe =>
        /[qk]_norm/.test(recipe.name) ? { ...recipe, factors: [] } : recipe;
      expect(breakAndMeasure(config, expandHeads, withoutNormFactors)).toBeGreaterThan(1e-3);
    },
  );
});
