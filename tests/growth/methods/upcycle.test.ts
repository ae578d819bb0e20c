/**
 * @file Upcycling of dense models to mixtures of experts (docs/methods.md, upcycle): logits, plans, configs,
 * routers, negative controls and refusals.
 */
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src-main/base/errors.ts';
import type { Json, JsonObject } from '../../../src-main/base/json.ts';
import { readPlan } from '../../../src-main/growth/plan/plan-file.ts';
import { planGrowth } from '../../../src-main/growth/plan/plan.ts';
import { createSavedPlan } from '../../../src-main/growth/plan/saved-plan.ts';
import { planStages } from '../../../src-main/growth/plan/stages.ts';
import type { GrowthPlan, GrowthRequest } from '../../../src-main/growth/recipe.ts';
import { dimsOf, settingsOf } from '../../../src-main/model/config.ts';
import { familyOf } from '../../../src-main/model/families/index.ts';
import { parametersOf } from '../../../src-main/model/parameters.ts';
import { countElements } from '../../../src-main/tensor/layout.ts';
import { breakAndMeasure, type RecipeChange } from '../break-plan.ts';
import {
  exactTolerance,
  growWeights,
  makeRequest,
  makeTinyModel,
  maxLogitChange,
  type TinyModel,
} from '../tiny-model.ts';
import { gpt2, llama, mistral, qwen2, qwen3 } from '../variants/index.ts';

type Options = GrowthRequest['options'];

const without = (config: JsonObject, ...keys: readonly string[]): JsonObject =>
  Object.fromEntries(Object.entries(config).filter(([key]) => !keys.includes(key)));
const slidingWindow: JsonObject = { num_hidden_layers: 3, sliding_window: 3, use_sliding_window: true };
const mistralWithoutWindow = without(
  { ...mistral, num_attention_heads: 3, num_key_value_heads: 1 },
  'sliding_window',
);
const denseVariants: Readonly<Record<string, JsonObject>> = {
  'llama, tied': llama,
  'llama, untied, keys with defaults absent': {
    ...without(llama, 'head_dim', 'max_position_embeddings', 'tie_word_embeddings'),
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 16,
    },
  },
  'mistral, sliding window': mistral,
  'mistral, sliding_window absent': mistralWithoutWindow,
  'qwen2, tied': qwen2,
  'qwen2, untied, max_window_layers': {
    ...qwen2,
    ...slidingWindow,
    max_window_layers: 1,
    tie_word_embeddings: false,
  },
  'qwen3, tied': qwen3,
  'qwen3, untied, biases, all layers with windows': {
    ...qwen3,
    ...slidingWindow,
    max_window_layers: 0,
    attention_bias: true,
    tie_word_embeddings: false,
  },
};

const makeUpcycleRequest = (options: Options): GrowthRequest =>
  makeRequest('upcycle', {}, { router: 0.5, ...options });
function upcycle(config: JsonObject, options: Options = {}): { source: TinyModel; plan: GrowthPlan } {
  const source = makeTinyModel(config);
  return { source, plan: planGrowth(source, makeUpcycleRequest(options)) };
}

describe.each(Object.entries(denseVariants))('a mixture of %s', (_, config) => {
  it.each([
    { experts: 2, active: 1 },
    { experts: 4, active: 2 },
    { experts: 3, active: 3 },
    { experts: 8, active: 4, shards: 2 },
    { experts: 12, active: 4, shards: 4 },
    { experts: 5, active: 5, shards: 5 },
  ])('keeps the logits with %o', (options) => {
    const { source, plan } = upcycle(config, options);
    expect(plan.promise.kind).toBe('function-preserving');
    expect(maxLogitChange(source, plan)).toBeLessThan(exactTolerance);
    expect(plan.parameters.active!.after).toBeLessThanOrEqual(plan.parameters.after);
  });

  it('has a plan that is deterministic, survives JSON, and agrees with its config', () => {
    const { source, plan } = upcycle(config, { experts: 4, shards: 2 });
    const family = familyOf(plan.config);
    const settings = settingsOf(family, plan.config);
    expect(family.id).toBe(plan.family);
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    expect(planGrowth(source, plan.request)).toEqual(plan);
    expect(dimsOf(family, plan.config)).toEqual(plan.to);
    const keptSettings = Object.entries(source.settings).filter(
      ([name]) => name in settings && (family.id !== 'qwen3-moe' || name !== 'layerTypes'),
    );
    expect(settings).toMatchObject(Object.fromEntries(keptSettings));
    expect(plan.tensors.map((recipe) => [recipe.name, recipe.to])).toEqual(
      parametersOf(family, plan.to, settings).map((parameter) => [parameter.name, parameter.shape]),
    );
    for (const recipe of plan.tensors) {
      expect(source.weights.has(recipe.source), recipe.name).toBe(true);
      expect(recipe.lrScale, recipe.name).toBeGreaterThan(0);
    }
    const parameters = plan.tensors.reduce((sum, recipe) => sum + countElements(recipe.to), 0);
    expect(parameters).toBe(plan.parameters.after);
    const saved = createSavedPlan({ ...source, name: 'it' }, plan.request, null);
    expect(readPlan(JSON.parse(JSON.stringify(saved)) as Json, 'it').stages).toEqual([plan]);
  });

  const hasShares = config['model_type'] === 'qwen2' || config['model_type'] === 'qwen3';
  const approximate: readonly Options[] = [
    { shards: 2, scale: 'thirds' },
    { shards: 2, scale: 'none' },
    ...(hasShares ? [{ weights: 'shares' }, { weights: 'shares', shards: 4, active: 4 }] : []),
  ];
  it.each(approximate)('is approximate with %o, as the plan says', (options) => {
    const { source, plan } = upcycle(config, options);
    const change = maxLogitChange(source, plan);
    expect(plan.promise.kind).toBe('none');
    expect(change).toBeGreaterThan(1e-6);
    expect(Number.isFinite(change)).toBe(true);
  });
});

describe('the logits change', () => {
  const measure = (config: JsonObject, options: Options, change: RecipeChange): number =>
    breakAndMeasure(config, makeUpcycleRequest(options), change);
  const withoutFactors: RecipeChange = (recipe) => ({ ...recipe, factors: [] });

  it('if slices are not scaled', () => {
    expect(measure(llama, { shards: 2 }, withoutFactors)).toBeGreaterThan(0.01);
  });
  it('if the router rows of the slices of one MLP differ', () => {
    const change: RecipeChange = ({ equalRows: _equalRows, ...recipe }) => recipe;
    expect(measure(llama, { experts: 8, shards: 2 }, change)).toBeGreaterThan(0.01);
  });
  it('if a group has a slice twice', () => {
    const change: RecipeChange = (recipe) =>
      recipe.slice && recipe.name.includes('experts.1.')
        ? { ...recipe, slice: { ...recipe.slice, at: 0 } }
        : recipe;
    expect(measure(llama, { experts: 8, shards: 2 }, change)).toBeGreaterThan(0.01);
  });
  it('if the shared expert is not zero', () => {
    const change: RecipeChange = (recipe) => ({ ...recipe, zeroOutput: false });
    expect(measure(qwen2, {}, change)).toBeGreaterThan(0.01);
  });
  it('ten times as much without factors, if routing weights are not normalized', () => {
    const options = { weights: 'shares', router: 0.01 };
    const { source, plan } = upcycle(qwen3, options);
    expect(maxLogitChange(source, plan)).toBeLessThan(0.1 * measure(qwen3, options, withoutFactors));
  });
});

describe('the config', () => {
  it('is one of the mixture family, and states what were defaults of the dense family', () => {
    expect(upcycle(llama, { experts: 4, active: 2, shards: 2 }).plan.config).toMatchObject({
      model_type: 'mixtral',
      architectures: ['MixtralForCausalLM'],
      num_local_experts: 4,
      num_experts_per_tok: 2,
      intermediate_size: 10,
      hidden_size: 12,
      rope_theta: 10_000,
      sliding_window: null,
      router_jitter_noise: 0,
      rms_norm_eps: 0.01,
    });
    expect(upcycle(mistralWithoutWindow).plan.config).toMatchObject({ sliding_window: 4096 });
    const qwen3Options = { experts: 6, active: 3, shards: 1, weights: 'sum' };
    expect(upcycle(qwen3, qwen3Options).plan.config).toMatchObject({
      model_type: 'qwen3_moe',
      num_experts: 6,
      num_experts_per_tok: 3,
      norm_topk_prob: true,
      moe_intermediate_size: 20,
      intermediate_size: 20,
      decoder_sparse_step: 1,
      mlp_only_layers: [],
    });
    expect(upcycle(qwen2, { weights: 'shares' }).plan.config).toMatchObject({
      model_type: 'qwen2_moe',
      norm_topk_prob: false,
      shared_expert_intermediate_size: 20,
    });
  });

  it('has as many parameters as the plan says, in all and per token', () => {
    const { plan } = upcycle(llama, { experts: 4, active: 2 });
    const mlp = 2 * 3 * 12 * 20;
    const router = 2 * 4 * 12;
    const { before } = plan.parameters;
    expect(plan.parameters).toEqual({
      before,
      after: before + 3 * mlp + router,
      active: { before, after: before + mlp + router },
    });
  });
});

describe('the router', () => {
  it('is drawn from the seed with the requested std, differently in each layer', () => {
    const { source, plan } = upcycle(llama, { experts: 64, router: 0.02 });
    const routerName = (layer: number): string => `model.layers.${layer}.block_sparse_moe.gate.weight`;
    const grown = growWeights(plan, source.weights);
    const first = grown.get(routerName(0))!;
    const std = Math.sqrt(first.reduce((sum, value) => sum + value * value, 0) / first.length);
    expect(std).toBeGreaterThan(0.018);
    expect(std).toBeLessThan(0.022);
    expect(first).not.toEqual(grown.get(routerName(1))!);
    const otherSeed = { ...plan, request: { ...plan.request, seed: 8 } };
    expect(growWeights(otherSeed, source.weights).get(routerName(0))).not.toEqual(first);
  });

  it('is reported as untrainable if it chooses one expert with weight one and no balancing loss', () => {
    const one = upcycle(llama, { active: 1, balance: 0 }).plan;
    expect(one.dead.map(({ axis }) => axis)).toEqual(['experts']);
    expect(upcycle(llama, { active: 1 }).plan.notes.join()).toContain(
      'the router only learns to balance the load',
    );
    expect(upcycle(llama).plan.dead).toEqual([]);
  });
});

describe('a request is refused', () => {
  const errorOf = (config: JsonObject, options: Options, to = {}): AppError => {
    try {
      planGrowth(makeTinyModel(config), makeRequest('upcycle', to, options));
    } catch (error) {
      expect(error).toBeInstanceOf(AppError);
      return error as AppError;
    }
    throw new Error('the request was planned');
  };

  it.each<readonly [Options, string, readonly number[]]>([
    [{ shards: 3 }, 'shards', [2, 4]],
    [{ experts: 6, shards: 4, active: 4 }, 'experts', [4, 8]],
    [{ active: 9 }, 'active', [8]],
    [{ shards: 4, active: 2 }, 'active', [4]],
    [{ shards: 2, active: 3 }, 'active', [2, 4]],
  ])('with %o, and the nearest %s is named', (options, option, nearest) => {
    const error = errorOf(llama, options);
    expect(error.code).toBe('growth/option-conflict');
    expect(error.detail).toMatchObject({ option, nearest });
  });

  it('for a family without a mixture, and the families with one are named', () => {
    expect(errorOf(gpt2, {}).code).toBe('growth/no-mixture');
    expect(errorOf(gpt2, {}).message).toContain('Llama');
  });
  it('for biases and windows that the mixture family does not have', () => {
    const someWindows = { ...qwen3, ...slidingWindow, max_window_layers: 1 };
    expect(errorOf({ ...llama, mlp_bias: true }, {}).message).toContain('mlp_bias');
    expect(errorOf(someWindows, {}).message).toContain('a sliding window in some layers only');
  });
  it('for options that the mixture family does not have', () => {
    expect(errorOf(llama, { weights: 'shares' }).detail).toMatchObject({ option: 'weights' });
    expect(errorOf(llama, { experts: 1 }).code).toBe('growth/bad-option');
  });
  it('for sizes, which upcycle does not change', () => {
    expect(errorOf(llama, {}, { hidden: 24 }).code).toBe('growth/not-by-this-method');
  });
  it('for a model that already is a mixture', () => {
    const { request } = upcycle(llama).plan;
    expect(() => planStages(makeTinyModel(llama), [request, request])).toThrow(
      /no mixture-of-experts architecture for Mixtral/,
    );
  });
});
