/** @file Tiny configs of GPT-2 and Llama. */
import type { JsonObject } from '../../../src-main/base/json.ts';
import { llamaSizes } from './sizes.ts';

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
export const llama: JsonObject = { ...llamaSizes, model_type: 'llama' };

export const gpt2LlamaVariants: Readonly<Record<string, JsonObject>> = {
  'gpt2, tied': gpt2,
  'gpt2, untied, n_inner null': { ...gpt2, tie_word_embeddings: false, n_inner: null },
  'gpt2, one head, exact GELU': { ...gpt2, n_head: 1, activation_function: 'gelu' },
  'llama, tied, GQA': llama,
  'llama, untied, GQA': { ...llama, tie_word_embeddings: false },
  'llama, tied, MQA': { ...llama, num_attention_heads: 3, num_key_value_heads: 1 },
  'llama, untied, MHA, biases': {
    ...llama,
    num_attention_heads: 3,
    num_key_value_heads: 3,
    attention_bias: true,
    mlp_bias: true,
    tie_word_embeddings: false,
  },
  'llama, tied, GQA, biases': { ...llama, attention_bias: true, mlp_bias: true },
  'llama, head_dim absent, llama3 RoPE scaling': {
    ...Object.fromEntries(Object.entries(llama).filter(([key]) => key !== 'head_dim')),
    rope_scaling: {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 16,
    },
  } as JsonObject,
};
