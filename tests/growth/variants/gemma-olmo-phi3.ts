/** @file Tiny configs of Gemma, OLMo and Phi-3: scaled embeddings, softcaps, norms after branches, fused weights. */
import type { JsonObject } from '../../../src-main/base/json.ts';
import { llamaSizes } from './sizes.ts';

export const gemma: JsonObject = { ...llamaSizes, model_type: 'gemma' };
export const gemma2: JsonObject = {
  ...llamaSizes,
  model_type: 'gemma2',
  num_hidden_layers: 3,
  sliding_window: 3,
  query_pre_attn_scalar: 5,
  attn_logit_softcapping: 1.5,
  final_logit_softcapping: 2,
};
export const gemma3: JsonObject = {
  ...llamaSizes,
  model_type: 'gemma3_text',
  num_hidden_layers: 3,
  sliding_window: 3,
  sliding_window_pattern: 2,
  query_pre_attn_scalar: 5,
  rope_theta: 1000,
  rope_local_base_freq: 50,
  final_logit_softcapping: 2,
};
export const olmo: JsonObject = { ...llamaSizes, model_type: 'olmo', tie_word_embeddings: false };
export const olmo2: JsonObject = { ...llamaSizes, model_type: 'olmo2', tie_word_embeddings: false };
export const phi3: JsonObject = {
  ...llamaSizes,
  model_type: 'phi3',
  tie_word_embeddings: false,
  sliding_window: 3,
  partial_rotary_factor: 0.5,
};

export const gemmaOlmoPhi3Variants: Readonly<Record<string, JsonObject>> = {
  'gemma, tied, GQA': gemma,
  'gemma, untied, MQA, biases': {
    ...gemma,
    tie_word_embeddings: false,
    attention_bias: true,
    num_attention_heads: 3,
    num_key_value_heads: 1,
  },
  'gemma, bfloat16': { ...gemma, torch_dtype: 'bfloat16' },
  'gemma2, tied, softcaps': gemma2,
  'gemma2, untied, no softcaps, layer_types': {
    ...gemma2,
    tie_word_embeddings: false,
    attn_logit_softcapping: null,
    final_logit_softcapping: null,
    layer_types: ['full_attention', 'sliding_attention', 'sliding_attention'],
  },
  'gemma3, tied, sliding_window_pattern': gemma3,
  'gemma3, untied, MQA, biases, rope_parameters': {
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
  'olmo, untied, GQA': olmo,
  'olmo, tied, MHA, biases': {
    ...olmo,
    tie_word_embeddings: true,
    attention_bias: true,
    num_attention_heads: 3,
    num_key_value_heads: 3,
  },
  'olmo2, untied, GQA': olmo2,
  'olmo2, tied, MQA, biases': {
    ...olmo2,
    tie_word_embeddings: true,
    attention_bias: true,
    num_attention_heads: 3,
    num_key_value_heads: 1,
  },
  'phi3, untied, GQA, sliding window, partial RoPE': phi3,
  'phi3, tied, MHA': {
    ...phi3,
    tie_word_embeddings: true,
    sliding_window: null,
    partial_rotary_factor: 1,
    num_attention_heads: 3,
    num_key_value_heads: 3,
  },
};
