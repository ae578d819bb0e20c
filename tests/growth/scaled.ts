/**
 * @file Tiny configs of Gemma, OLMo and Phi-3 and their kin: every tie, bias, bound, window and sharing of
 * heads that a method must hold for.
 */
import type { JsonObject } from '../../src-main/base/json.ts';

const gated: JsonObject = {
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
export const gemma: JsonObject = { ...gated, model_type: 'gemma' };
export const gemma2: JsonObject = {
  ...gated,
  model_type: 'gemma2',
  num_hidden_layers: 3,
  sliding_window: 3,
  query_pre_attn_scalar: 5,
  attn_logit_softcapping: 1.5,
  final_logit_softcapping: 2,
};
export const gemma3: JsonObject = {
  ...gated,
  model_type: 'gemma3_text',
  num_hidden_layers: 3,
  sliding_window: 3,
  sliding_window_pattern: 2,
  query_pre_attn_scalar: 5,
  rope_theta: 1000,
  rope_local_base_freq: 50,
  final_logit_softcapping: 2,
};
export const olmo: JsonObject = { ...gated, model_type: 'olmo', tie_word_embeddings: false };
export const olmo2: JsonObject = { ...gated, model_type: 'olmo2', tie_word_embeddings: false };
export const phi3: JsonObject = {
  ...gated,
  model_type: 'phi3',
  tie_word_embeddings: false,
  sliding_window: 3,
  partial_rotary_factor: 0.5,
};

export const scaled: Readonly<Record<string, JsonObject>> = {
  'gemma tied, grouped': gemma,
  'gemma untied, biases, one kv head': {
    ...gemma,
    tie_word_embeddings: false,
    attention_bias: true,
    num_attention_heads: 3,
    num_key_value_heads: 1,
  },
  'gemma in bfloat16': { ...gemma, torch_dtype: 'bfloat16' },
  'gemma2 tied, bounded, every other layer slides': gemma2,
  'gemma2 untied, unbounded, listed layers': {
    ...gemma2,
    tie_word_embeddings: false,
    attn_logit_softcapping: null,
    final_logit_softcapping: null,
    layer_types: ['full_attention', 'sliding_attention', 'sliding_attention'],
  },
  'gemma3 tied, a pattern': gemma3,
  'gemma3 untied, biases, one kv head': {
    ...gemma3,
    tie_word_embeddings: false,
    attention_bias: true,
    num_attention_heads: 3,
    num_key_value_heads: 1,
    rope_parameters: {
      full_attention: { rope_type: 'linear', rope_theta: 1000, factor: 4 },
      sliding_attention: { rope_type: 'default', rope_theta: 50 },
    },
  },
  'olmo untied, grouped': olmo,
  'olmo tied, all kv heads, biases': {
    ...olmo,
    tie_word_embeddings: true,
    attention_bias: true,
    num_attention_heads: 3,
    num_key_value_heads: 3,
  },
  'olmo2 untied, grouped': olmo2,
  'olmo2 tied, biases, one kv head': {
    ...olmo2,
    tie_word_embeddings: true,
    attention_bias: true,
    num_attention_heads: 3,
    num_key_value_heads: 1,
  },
  'phi3 untied, grouped, window, half rotary': phi3,
  'phi3 tied, all kv heads': {
    ...phi3,
    tie_word_embeddings: true,
    sliding_window: null,
    partial_rotary_factor: 1,
    num_attention_heads: 3,
    num_key_value_heads: 3,
  },
};
