/** @file Tiny configs of GPT-NeoX, StableLM and OPT: partial RoPE, parallel residual, norms after the residual sum. */
import type { JsonObject } from '../../../src-main/base/json.ts';

export const gptNeox: JsonObject = {
  model_type: 'gpt_neox',
  vocab_size: 23,
  hidden_size: 24,
  num_attention_heads: 3,
  intermediate_size: 20,
  num_hidden_layers: 2,
  max_position_embeddings: 32,
  layer_norm_eps: 0.01,
  rotary_pct: 0.5,
  rotary_emb_base: 10_000,
  tie_word_embeddings: false,
  use_parallel_residual: true,
  torch_dtype: 'float32',
};
export const stablelm: JsonObject = {
  model_type: 'stablelm',
  vocab_size: 23,
  hidden_size: 24,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  intermediate_size: 20,
  num_hidden_layers: 2,
  max_position_embeddings: 32,
  layer_norm_eps: 0.01,
  partial_rotary_factor: 0.5,
  tie_word_embeddings: false,
  torch_dtype: 'float32',
};
export const opt: JsonObject = {
  model_type: 'opt',
  vocab_size: 23,
  hidden_size: 12,
  word_embed_proj_dim: 12,
  num_attention_heads: 3,
  ffn_dim: 20,
  num_hidden_layers: 2,
  max_position_embeddings: 12,
  torch_dtype: 'float32',
};
/** Projects embeddings to the hidden size, and normalizes after the residual sum (OPT-350M). */
export const optProjected: JsonObject = { ...opt, word_embed_proj_dim: 8, do_layer_norm_before: false };

export const neoxStablelmOptVariants: Readonly<Record<string, JsonObject>> = {
  'gpt_neox, untied, parallel residual': gptNeox,
  'gpt_neox, tied, sequential residual, no attention biases': {
    ...gptNeox,
    use_parallel_residual: false,
    tie_word_embeddings: true,
    attention_bias: false,
  },
  'stablelm, untied, GQA, sequential residual': stablelm,
  'stablelm, tied, MQA, biases, parallel residual': {
    ...stablelm,
    num_attention_heads: 3,
    num_key_value_heads: 1,
    use_parallel_residual: true,
    use_qkv_bias: true,
    tie_word_embeddings: true,
  },
  'opt, tied': opt,
  'opt, untied, no biases': {
    ...opt,
    tie_word_embeddings: false,
    enable_bias: false,
    activation_function: 'gelu',
  },
  'opt, projected, post-norm': optProjected,
};
