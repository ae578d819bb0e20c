/** @file The names that several architectures of llama.cpp share; `gguf-architectures.ts` has the architectures. */
import type { GgufArchitecture } from '../gguf/architecture.ts';
import { without } from '../tensor-specs.ts';

export const layer = 'model.layers.{layer}';
export const block = 'blk.{layer}';

/** The names of Llama's layers and of those that are built like them. */
export const llamaModules: GgufArchitecture['modules'] = {
  'model.embed_tokens': 'token_embd',
  [`${layer}.input_layernorm`]: `${block}.attn_norm`,
  [`${layer}.self_attn.q_proj`]: `${block}.attn_q`,
  [`${layer}.self_attn.k_proj`]: `${block}.attn_k`,
  [`${layer}.self_attn.v_proj`]: `${block}.attn_v`,
  [`${layer}.self_attn.o_proj`]: `${block}.attn_output`,
  [`${layer}.post_attention_layernorm`]: `${block}.ffn_norm`,
  [`${layer}.mlp.gate_proj`]: `${block}.ffn_gate`,
  [`${layer}.mlp.up_proj`]: `${block}.ffn_up`,
  [`${layer}.mlp.down_proj`]: `${block}.ffn_down`,
  'model.norm': 'output_norm',
  lm_head: 'output',
};

/** Norms of queries and keys. */
export const headNorms: GgufArchitecture['modules'] = {
  [`${layer}.self_attn.q_norm`]: `${block}.attn_q_norm`,
  [`${layer}.self_attn.k_norm`]: `${block}.attn_k_norm`,
};

export const qwenExperts: GgufArchitecture['modules'] = {
  [`${layer}.mlp.gate`]: `${block}.ffn_gate_inp`,
  [`${layer}.mlp.experts.{expert}.gate_proj`]: `${block}.ffn_gate_exps`,
  [`${layer}.mlp.experts.{expert}.up_proj`]: `${block}.ffn_up_exps`,
  [`${layer}.mlp.experts.{expert}.down_proj`]: `${block}.ffn_down_exps`,
};

export const queryBiases = ['attn_q', 'attn_k', 'attn_v'].map((name) => `${block}.${name}`);
export const gelu = 'llama.cpp computes GELU by its tanh approximation';
export const geluActivations = {
  activations: ['gelu', 'gelu_new', 'gelu_pytorch_tanh'],
  approximations: { gelu },
};

/** The modules of llama.cpp that may have a bias in families built like Llama, but for a gate. */
export const plainBiases = [
  ...queryBiases,
  ...['attn_output', 'ffn_up', 'ffn_down'].map((name) => `${block}.${name}`),
];

/** Llama's names where gate and up are one weight. */
export const fusedGateModules: GgufArchitecture['modules'] = {
  ...llamaModules,
  [`${layer}.mlp.gate_up_proj`]: `${block}.ffn_up`,
};

export const falconModules: GgufArchitecture['modules'] = {
  'h.{layer}.input_layernorm': `${block}.attn_norm`,
  'h.{layer}.self_attention.query_key_value': `${block}.attn_qkv`,
  'h.{layer}.self_attention.dense': `${block}.attn_output`,
  'h.{layer}.mlp.dense_h_to_4h': `${block}.ffn_up`,
  'h.{layer}.mlp.dense_4h_to_h': `${block}.ffn_down`,
  ln_f: 'output_norm',
  lm_head: 'output',
};

/** Llama's names without those of a head, which is always tied. */
export const withoutHead: GgufArchitecture['modules'] = without(llamaModules, 'lm_head');
