/** @file Tiny configs of Mistral, Qwen2 and Qwen3: sliding windows, biases, norms on queries and keys. */
import type { JsonObject } from '../../../src-main/base/json.ts';
import { llamaSizes, slidingWindow } from './sizes.ts';

export const mistral: JsonObject = { ...llamaSizes, model_type: 'mistral', sliding_window: 3 };
export const qwen2: JsonObject = { ...llamaSizes, model_type: 'qwen2' };
export const qwen3: JsonObject = { ...llamaSizes, model_type: 'qwen3' };

export const mistralQwenVariants: Readonly<Record<string, JsonObject>> = {
  'mistral, tied, sliding window': mistral,
  'mistral, untied, MQA, no sliding window': {
    ...mistral,
    sliding_window: null,
    tie_word_embeddings: false,
    num_attention_heads: 3,
    num_key_value_heads: 1,
  },
  'qwen2, tied, GQA': qwen2,
  'qwen2, untied, MHA, max_window_layers': {
    ...slidingWindow,
    model_type: 'qwen2',
    max_window_layers: 1,
    tie_word_embeddings: false,
    num_attention_heads: 3,
    num_key_value_heads: 3,
  },
  'qwen3, tied, GQA': qwen3,
  'qwen3, untied, MQA, biases, layer_types': {
    ...slidingWindow,
    model_type: 'qwen3',
    tie_word_embeddings: false,
    attention_bias: true,
    num_attention_heads: 3,
    num_key_value_heads: 1,
    layer_types: ['sliding_attention', 'full_attention', 'sliding_attention'],
  },
};
