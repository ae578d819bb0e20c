/**
 * @file Tiny random checkpoints made from a family's table, and what growing them does to the logits of the
 * float64 reference.
 */
import { integerAt, keyOf, normalAt } from '../../src-main/base/random.ts';
import type { JsonObject } from '../../src-main/base/json.ts';
import { applyRecipe } from '../../src-main/growth/apply/apply.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import type { GrowthPlan, GrowthRequest, GrowthSource, TensorRecipe } from '../../src-main/growth/recipe.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { parametersOf } from '../../src-main/model/parameters.ts';
import { countOf } from '../../src-main/tensor/layout.ts';
import { referenceLogits, type Weights } from '../support/reference.ts';
import { kin } from './kin.ts';
import { scaled } from './scaled.ts';

/** eps is large so that forgetting it would show; every gain and bias is random. */
export const gpt2: JsonObject = {
  model_type: 'gpt2',
  vocab_size: 23,
  n_positions: 12,
  n_embd: 12,
  n_head: 3,
  n_inner: 20,
  n_layer: 2,
  layer_norm_epsilon: 0.01,
  tie_word_embeddings: true,
  torch_dtype: 'float32',
};
export const llama: JsonObject = {
  model_type: 'llama',
  vocab_size: 23,
  hidden_size: 12,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  head_dim: 4,
  intermediate_size: 20,
  num_hidden_layers: 2,
  rms_norm_eps: 0.01,
  tie_word_embeddings: true,
  max_position_embeddings: 32,
  torch_dtype: 'float32',
};

/** Every shape of attention, tie and bias that a method must hold for. */
export const shapes: Readonly<Record<string, JsonObject>> = {
  'gpt2 tied': gpt2,
  'gpt2 untied, n_inner unsaid': { ...gpt2, tie_word_embeddings: false, n_inner: null },
  'gpt2 one head, erf gelu': { ...gpt2, n_head: 1, activation_function: 'gelu' },
  'llama tied, grouped': llama,
  'llama untied, grouped': { ...llama, tie_word_embeddings: false },
  'llama tied, one kv head': { ...llama, num_attention_heads: 3, num_key_value_heads: 1 },
  'llama untied, all kv heads, biases': {
    ...llama,
    num_attention_heads: 3,
    num_key_value_heads: 3,
    attention_bias: true,
    mlp_bias: true,
    tie_word_embeddings: false,
  },
  'llama tied, grouped, biases': { ...llama, attention_bias: true, mlp_bias: true },
  'llama head_dim unsaid': {
    ...Object.fromEntries(Object.entries(llama).filter(([key]) => key !== 'head_dim')),
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 16,
    },
  } as JsonObject,
  ...kin,
  ...scaled,
};

export interface Tiny extends GrowthSource {
  readonly weights: Weights;
}

export function tiny(config: JsonObject, seed = 1): Tiny {
  const family = familyOf(config);
  const dims = dimsOf(family, config);
  const settings = settingsOf(family, config);
  const weights = new Map<string, Float64Array>();
  for (const { name, spec, shape } of parametersOf(family, dims, settings)) {
    const key = keyOf(seed, name);
    const deviation = spec.kind === 'linear' ? 0.4 : spec.kind === 'lookup' ? 0.7 : 0.3;
    weights.set(
      name,
      Float64Array.from(
        { length: countOf(shape) },
        (_, i) => (spec.kind === 'gain' ? 1 : 0) + deviation * normalAt(key, i),
      ),
    );
  }
  return {
    family: family.id,
    dims,
    settings,
    config,
    tensors: [...weights.keys()].map((name) => ({ name, dtype: 'float32' })),
    weights,
  };
}

export const ask = (
  method: string,
  to: Readonly<Record<string, number>>,
  options: GrowthRequest['options'] = {},
  seed = 7,
): GrowthRequest => ({ method, to, options, seed, dtype: 'keep' });

/** All grown weights, in float64. `change` may spoil recipes, for what must fail. */
export const grow = (
  plan: GrowthPlan,
  weights: Weights,
  change: (recipe: TensorRecipe) => TensorRecipe = (r) => r,
): Weights =>
  new Map(
    plan.tensors.map((recipe) => [
      recipe.name,
      applyRecipe(
        change(recipe),
        plan.maps,
        plan.from,
        plan.to,
        weights.get(recipe.source)!,
        plan.request.seed,
        recipe.second === undefined ? undefined : weights.get(recipe.second)!,
      ),
    ]),
  );

export const tokensOf = (vocab: number, count = 9, seed = 3): readonly number[] =>
  Array.from({ length: count }, (_, i) => integerAt(keyOf(seed, 'tokens'), i, vocab));

/** The largest change of an old token's logit that growing by `plan` makes, in the float64 reference. */
export function moved(
  source: Tiny,
  plan: GrowthPlan,
  grown: Weights = grow(plan, source.weights),
  config: JsonObject = plan.config,
): number {
  const tokens = tokensOf(source.dims['vocab']!);
  const before = referenceLogits(source.config, source.weights, tokens);
  const after = referenceLogits(config, grown, tokens);
  const [from, to] = [plan.from['vocab']!, plan.to['vocab']!];
  return before.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - after[Math.floor(i / from) * to + (i % from)]!)),
    0,
  );
}

/** Plans, grows and measures. */
export function movedBy(config: JsonObject, request: GrowthRequest): number {
  const source = tiny(config);
  return moved(source, planGrowth(source, request));
}
