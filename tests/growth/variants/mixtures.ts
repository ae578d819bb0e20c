/** @file Tiny configs of mixtures of experts: Mixtral, Qwen2-MoE, Qwen3-MoE and OLMoE. */
import type { JsonObject } from '../../../src-main/base/json.ts';
import { without } from '../../../src-main/model/tensor-specs.ts';
import { llamaSizes, slidingWindow } from './sizes.ts';

export const mixtral: JsonObject = {
  ...llamaSizes,
  model_type: 'mixtral',
  num_local_experts: 4,
  num_experts_per_tok: 2,
  sliding_window: 3,
};
export const qwen2Moe: JsonObject = {
  ...llamaSizes,
  model_type: 'qwen2_moe',
  num_experts: 4,
  num_experts_per_tok: 2,
  norm_topk_prob: true,
  moe_intermediate_size: 10,
  shared_expert_intermediate_size: 7,
};
export const qwen3Moe: JsonObject = {
  ...llamaSizes,
  model_type: 'qwen3_moe',
  num_experts: 3,
  num_experts_per_tok: 2,
  norm_topk_prob: false,
  moe_intermediate_size: 10,
};

const olmoe: JsonObject = {
  ...(without(llamaSizes, 'head_dim') as JsonObject),
  model_type: 'olmoe',
  hidden_size: 24,
  num_experts: 3,
  num_experts_per_tok: 2,
};

export const mixtureVariants: Readonly<Record<string, JsonObject>> = {
  'mixtral, tied, GQA, sliding window': mixtral,
  'mixtral, untied, MQA, one expert per token': {
    ...mixtral,
    tie_word_embeddings: false,
    num_attention_heads: 3,
    num_key_value_heads: 1,
    num_experts_per_tok: 1,
    sliding_window: null,
  },
  'qwen2_moe, tied, GQA': qwen2Moe,
  'qwen2_moe, untied, no norm_topk_prob, max_window_layers': {
    ...qwen2Moe,
    ...slidingWindow,
    max_window_layers: 2,
    norm_topk_prob: false,
    tie_word_embeddings: false,
  },
  'qwen3_moe, untied, GQA, no norm_topk_prob': { ...qwen3Moe, tie_word_embeddings: false },
  'qwen3_moe, tied, MHA, biases': {
    ...qwen3Moe,
    num_attention_heads: 3,
    num_key_value_heads: 3,
    attention_bias: true,
    norm_topk_prob: true,
  },
};

/** Norms over all heads leave few sizes. */
export const olmoeVariants: Readonly<Record<string, JsonObject>> = {
  'olmoe, tied, GQA': olmoe,
  'olmoe, untied, norm_topk_prob': { ...olmoe, tie_word_embeddings: false, norm_topk_prob: true },
};
