/**
 * @file Dense models as mixtures of experts: what is promised holds in float64, what methods.md 7.8 warns of
 * fails, and what cannot be is refused with what can.
 */
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src-main/base/errors.ts';
import type { Json, JsonObject } from '../../src-main/base/json.ts';
import { planStages } from '../../src-main/growth/plan/stages.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import type { GrowthRequest, TensorRecipe } from '../../src-main/growth/recipe.ts';
import { readPlan } from '../../src-main/growth/plan/plan-file.ts';
import { createSavedPlan } from '../../src-main/growth/plan/saved-plan.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { countElements } from '../../src-main/tensor/layout.ts';
import { mistral, qwen2, qwen3 } from './variants/index.ts';
import { makeRequest, growWeights, maxLogitChange, makeTinyModel } from './tiny-model.ts';
import { gpt2, llama } from './variants/index.ts';

type Options = GrowthRequest['options'];
const exact = 1e-9;
const windowed: JsonObject = { num_hidden_layers: 3, sliding_window: 3, use_sliding_window: true };
const dense: Readonly<Record<string, JsonObject>> = {
  'llama tied': llama,
  'llama untied, bare config': {
    ...Object.fromEntries(
      Object.entries(llama).filter(
        ([key]) => !['head_dim', 'max_position_embeddings', 'tie_word_embeddings'].includes(key),
      ),
    ),
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 16,
    },
  } as JsonObject,
  'mistral, window': mistral,
  'mistral, window unsaid': Object.fromEntries(
    Object.entries({ ...mistral, num_attention_heads: 3, num_key_value_heads: 1 }).filter(
      ([key]) => key !== 'sliding_window',
    ),
  ),
  'qwen2 tied': qwen2,
  'qwen2 untied, last layers slide': {
    ...qwen2,
    ...windowed,
    max_window_layers: 1,
    tie_word_embeddings: false,
  },
  'qwen3 tied': qwen3,
  'qwen3 untied, biases, all slide': {
    ...qwen3,
    ...windowed,
    max_window_layers: 0,
    attention_bias: true,
    tie_word_embeddings: false,
  },
};
const up = (config: JsonObject, options: Options = {}) => {
  const source = makeTinyModel(config);
  return { source, plan: planGrowth(source, makeRequest('upcycle', {}, { router: 0.5, ...options })) };
};
const refused = (config: JsonObject, options: Options, to = {}): AppError => {
  try {
    planGrowth(makeTinyModel(config), makeRequest('upcycle', to, options));
  } catch (e) {
    expect(e).toBeInstanceOf(AppError);
    return e as AppError;
  }
  throw new Error('nothing was refused');
};
const spoil = (config: JsonObject, options: Options, change: (r: TensorRecipe) => TensorRecipe): number => {
  const { source, plan } = up(config, options);
  return maxLogitChange(source, plan, growWeights(plan, source.weights, change));
};

describe.each(Object.entries(dense))('%s', (_, config) => {
  it.each([
    { experts: 2, active: 1 },
    { experts: 4, active: 2 },
    { experts: 3, active: 3 },
    { experts: 8, active: 4, shards: 2 },
    { experts: 12, active: 4, shards: 4 },
    { experts: 5, active: 5, shards: 5 },
  ])('%o: logits stay', (options) => {
    const { source, plan } = up(config, options);
    expect(plan.promise.kind).toBe('exact');
    expect(maxLogitChange(source, plan)).toBeLessThan(exact);
    expect(plan.parameters.active!.after).toBeLessThanOrEqual(plan.parameters.after);
  });
  it('the plan is JSON, the same each time, and of the family that its config names', () => {
    const { source, plan } = up(config, { experts: 4, shards: 2 });
    const family = familyOf(plan.config);
    const settings = settingsOf(family, plan.config);
    expect(family.id).toBe(plan.family);
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    expect(planGrowth(source, plan.request)).toEqual(plan);
    expect(dimsOf(family, plan.config)).toEqual(plan.to);
    expect(settings).toMatchObject(
      Object.fromEntries(
        Object.entries(source.settings).filter(
          ([name]) => name in settings && (family.id !== 'qwen3-moe' || name !== 'layerTypes'),
        ),
      ),
    );
    expect(plan.tensors.map((t) => [t.name, t.to])).toEqual(
      parametersOf(family, plan.to, settings).map((p) => [p.name, p.shape]),
    );
    expect(plan.tensors.every((t) => source.weights.has(t.source) && t.lrScale > 0)).toBe(true);
    expect(plan.tensors.reduce((sum, t) => sum + countElements(t.to), 0)).toBe(plan.parameters.after);
    expect(
      readPlan(
        JSON.parse(JSON.stringify(createSavedPlan({ ...source, name: 'it' }, plan.request, null))) as Json,
        'it',
      ).stages,
    ).toEqual([plan]);
  });
  it('approximate where the plan says so, and it is', () => {
    for (const options of [
      { shards: 2, scale: 'thirds' },
      { shards: 2, scale: 'none' },
      ...(config['model_type'] === 'qwen2' || config['model_type'] === 'qwen3'
        ? [{ weights: 'shares' }, { weights: 'shares', shards: 4, active: 4 }]
        : []),
    ]) {
      const { source, plan } = up(config, options);
      const gap = maxLogitChange(source, plan);
      expect(plan.promise.kind).toBe('approximate');
      expect(gap).toBeGreaterThan(1e-6);
      expect(Number.isFinite(gap)).toBe(true);
    }
  });
});

describe('what must fail does', () => {
  it('slices that are not scaled', () =>
    expect(spoil(llama, { shards: 2 }, (r) => ({ ...r, factors: [] }))).toBeGreaterThan(0.01));
  it('slices of one group whose router rows differ', () =>
    expect(spoil(llama, { experts: 8, shards: 2 }, ({ equalRows: _, ...r }) => r)).toBeGreaterThan(0.01));
  it('slices in another order than their groups', () =>
    expect(
      spoil(llama, { experts: 8, shards: 2 }, (r) =>
        r.slice && r.name.includes('experts.1.') ? { ...r, slice: { ...r.slice, at: 0 } } : r,
      ),
    ).toBeGreaterThan(0.01));
  it('a shared expert that speaks', () =>
    expect(spoil(qwen2, {}, (r) => ({ ...r, zeroOutput: false }))).toBeGreaterThan(0.01));
  it('the mean is made up for where weights are shares', () => {
    const { source, plan } = up(qwen3, { weights: 'shares', router: 0.01 });
    expect(maxLogitChange(source, plan)).toBeLessThan(
      0.1 * spoil(qwen3, { weights: 'shares', router: 0.01 }, (r) => ({ ...r, factors: [] })),
    );
  });
});

describe('the written config', () => {
  it('is of the family with experts, and says what defaults of the other left out', () => {
    expect(up(llama, { experts: 4, active: 2, shards: 2 }).plan.config).toMatchObject({
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
    expect(up(dense['mistral, window unsaid']!).plan.config).toMatchObject({ sliding_window: 4096 });
    expect(up(qwen3, { experts: 6, active: 3, shards: 1, weights: 'sum' }).plan.config).toMatchObject({
      model_type: 'qwen3_moe',
      num_experts: 6,
      num_experts_per_tok: 3,
      norm_topk_prob: true,
      moe_intermediate_size: 20,
      intermediate_size: 20,
      decoder_sparse_step: 1,
      mlp_only_layers: [],
    });
    expect(up(qwen2, { weights: 'shares' }).plan.config).toMatchObject({
      model_type: 'qwen2_moe',
      norm_topk_prob: false,
      shared_expert_intermediate_size: 20,
    });
  });
  it('counts parameters, and those that a token passes', () => {
    const { plan } = up(llama, { experts: 4, active: 2 });
    const mlp = 2 * 3 * 12 * 20;
    const router = 2 * 4 * 12;
    expect(plan.parameters).toEqual({
      before: plan.parameters.before,
      after: plan.parameters.before + 3 * mlp + router,
      active: { before: plan.parameters.before, after: plan.parameters.before + mlp + router },
    });
  });
});

describe('routers', () => {
  it('are drawn by the seed, another in each layer, with the deviation asked for', () => {
    const { source, plan } = up(llama, { experts: 64, router: 0.02 });
    const grown = growWeights(plan, source.weights);
    const gate = (l: number) => grown.get(`model.layers.${l}.block_sparse_moe.gate.weight`)!;
    const deviation = Math.sqrt(gate(0).reduce((sum, v) => sum + v * v, 0) / gate(0).length);
    expect(deviation).toBeGreaterThan(0.018);
    expect(deviation).toBeLessThan(0.022);
    expect(gate(0)).not.toEqual(gate(1));
    expect(
      growWeights({ ...plan, request: { ...plan.request, seed: 8 } }, source.weights).get(
        'model.layers.0.block_sparse_moe.gate.weight',
      ),
    ).not.toEqual(gate(0));
  });
  it('that choose one expert with weight one are told to be dead', () => {
    expect(up(llama, { active: 1, balance: 0 }).plan.dead.map((d) => d.axis)).toEqual(['experts']);
    expect(up(llama, { active: 1 }).plan.notes.join()).toContain('learns to balance and nothing else');
    expect(up(llama).plan.dead).toEqual([]);
  });
});

describe('refused, with what can be', () => {
  it.each<readonly [Options, string, readonly number[]]>([
    [{ shards: 3 }, 'shards', [2, 4]],
    [{ experts: 6, shards: 4, active: 4 }, 'experts', [4, 8]],
    [{ active: 9 }, 'active', [8]],
    [{ shards: 4, active: 2 }, 'active', [4]],
    [{ shards: 2, active: 3 }, 'active', [2, 4]],
  ])('%o', (options, option, nearest) => {
    const error = refused(llama, options);
    expect(error.code).toBe('growth/option-conflict');
    expect(error.detail).toMatchObject({ option, nearest });
  });
  it('families that have no mixture, biases that it lacks, windows in part, shares in a family that has none, sizes beside it', () => {
    expect(refused(gpt2, {}).code).toBe('growth/no-mixture');
    expect(refused(gpt2, {}).message).toContain('Llama');
    expect(refused({ ...llama, mlp_bias: true }, {}).message).toContain('mlp_bias');
    expect(refused({ ...qwen3, ...windowed, max_window_layers: 1 }, {}).message).toContain('a sliding window in some layers only');
    expect(refused(llama, { weights: 'shares' }).detail).toMatchObject({ option: 'weights' });
    expect(refused(llama, {}, { hidden: 24 }).code).toBe('growth/not-by-this-method');
    expect(refused(llama, { experts: 1 }).code).toBe('growth/bad-option');
    const { plan } = up(llama);
    expect(() => planStages(makeTinyModel(llama), [plan.request, plan.request])).toThrow(/no mixture-of-experts architecture for Mixtral/);
  });
});
