/**
 * @file Tiny configs of the families with rotary shares, windows, head norms, norms on the stream, experts:
 * every tie, bias and sharing of heads that a method must hold for.
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
const windowed: JsonObject = { ...gated, num_hidden_layers: 3, sliding_window: 3, use_sliding_window: true };
export const mistral: JsonObject = { ...gated, model_type: 'mistral', sliding_window: 3 };
export const qwen2: JsonObject = { ...gated, model_type: 'qwen2' };
export const qwen3: JsonObject = { ...gated, model_type: 'qwen3' };
export const neox: JsonObject = {
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
export const projected: JsonObject = { ...opt, word_embed_proj_dim: 8, do_layer_norm_before: false };

export const mixtral: JsonObject = {
  ...gated,
  model_type: 'mixtral',
  num_local_experts: 4,
  num_experts_per_tok: 2,
  sliding_window: 3,
};
export const qwen2Moe: JsonObject = {
  ...gated,
  model_type: 'qwen2_moe',
  num_experts: 4,
  num_experts_per_tok: 2,
  norm_topk_prob: true,
  moe_intermediate_size: 10,
  shared_expert_intermediate_size: 7,
};
export const qwen3Moe: JsonObject = {
  ...gated,
  model_type: 'qwen3_moe',
  num_experts: 3,
  num_experts_per_tok: 2,
  norm_topk_prob: false,
  moe_intermediate_size: 10,
};

export const kin: Readonly<Record<string, JsonObject>> = {
  'mistral, window, tied': mistral,
  'mistral, no window, untied, one kv head': {
    ...mistral,
    sliding_window: null,
    tie_word_embeddings: false,
    num_attention_heads: 3,
    num_key_value_heads: 1,
  },
  'qwen2 tied, grouped': qwen2,
  'qwen2 untied, all kv heads, last layers slide': {
    ...windowed,
    model_type: 'qwen2',
    max_window_layers: 1,
    tie_word_embeddings: false,
    num_attention_heads: 3,
    num_key_value_heads: 3,
  },
  'qwen3 tied, grouped': qwen3,
  'qwen3 untied, biases, one kv head, listed layers': {
    ...windowed,
    model_type: 'qwen3',
    tie_word_embeddings: false,
    attention_bias: true,
    num_attention_heads: 3,
    num_key_value_heads: 1,
    layer_types: ['sliding_attention', 'full_attention', 'sliding_attention'],
  },
  'gpt_neox parallel, untied': neox,
  'gpt_neox sequential, tied, attention without biases': {
    ...neox,
    use_parallel_residual: false,
    tie_word_embeddings: true,
    attention_bias: false,
  },
  'stablelm sequential, untied, grouped': stablelm,
  'stablelm parallel, tied, biases, one kv head': {
    ...stablelm,
    num_attention_heads: 3,
    num_key_value_heads: 1,
    use_parallel_residual: true,
    use_qkv_bias: true,
    tie_word_embeddings: true,
  },
  'opt tied': opt,
  'opt untied, without biases': {
    ...opt,
    tie_word_embeddings: false,
    enable_bias: false,
    activation_function: 'gelu',
  },
  'opt projected, norms on the stream': projected,
  'mixtral tied, grouped, window': mixtral,
  'mixtral untied, one kv head, one expert per token': {
    ...mixtral,
    tie_word_embeddings: false,
    num_attention_heads: 3,
    num_key_value_heads: 1,
    num_experts_per_tok: 1,
    sliding_window: null,
  },
  'qwen2 moe tied, grouped': qwen2Moe,
  'qwen2 moe untied, shares, some layers slide': {
    ...qwen2Moe,
    ...windowed,
    max_window_layers: 2,
    norm_topk_prob: false,
    tie_word_embeddings: false,
  },
  'qwen3 moe untied, grouped, shares': { ...qwen3Moe, tie_word_embeddings: false },
  'qwen3 moe tied, biases, all kv heads': {
    ...qwen3Moe,
    num_attention_heads: 3,
    num_key_value_heads: 3,
    attention_bias: true,
    norm_topk_prob: true,
  },
};
