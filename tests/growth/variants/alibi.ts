/** @file Tiny configs of BLOOM, MPT and Falcon. */
import type { JsonObject } from '../../../src-main/base/json.ts';

const common: JsonObject = { vocab_size: 23, layer_norm_epsilon: 0.01, torch_dtype: 'float32' };
export const bloom: JsonObject = {
  ...common,
  model_type: 'bloom',
  hidden_size: 12,
  n_head: 3,
  n_layer: 2,
  seq_length: 12,
};
export const mpt: JsonObject = {
  ...common,
  model_type: 'mpt',
  d_model: 12,
  n_heads: 3,
  n_layers: 2,
  max_seq_len: 12,
};
export const falcon: JsonObject = {
  ...common,
  model_type: 'falcon',
  hidden_size: 12,
  num_attention_heads: 3,
  num_hidden_layers: 2,
  ffn_hidden_size: 20,
  max_position_embeddings: 12,
};

export const alibiVariants: Readonly<Record<string, JsonObject>> = {
  'bloom, tied': bloom,
  'mpt, tied': mpt,
  'falcon, tied, parallel': falcon,
  'falcon, untied, sequential, biases': {
    ...falcon,
    tie_word_embeddings: false,
    parallel_attn: false,
    bias: true,
  },
  'falcon, tied, ALiBi, sequential': {
    ...falcon,
    multi_query: false,
    alibi: true,
    parallel_attn: false,
    bias: true,
  },
};
