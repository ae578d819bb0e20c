/**
 * @file OLMo 2: the branches read the residual stream without a norm and normalize their output; query and key
 * norms span all heads. Must agree with transformers' modeling_olmo2.py.
 */
import type { ModelBuilder } from '../builder-types.ts';
import { setting } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { bias, gain, linear, lookup, outputGain, unscaledLinear, without } from '../tensor-specs.ts';
import { gatedDecoder, gatedDims, type DecoderForm } from './gated-decoder.ts';
import { llama } from './llama.ts';

const layerKey = 'model.layers.{layer}.';

export const olmo2: ModelFamily = {
  ...llama,
  id: 'olmo2',
  title: 'OLMo 2',
  releases: [
    groupedRelease('OLMo 2 1B', [2048, 8192, 16, 16, 16]),
    groupedRelease('OLMo 2 7B', [4096, 11_008, 32, 32, 32]),
    groupedRelease('OLMo 2 13B', [5120, 13_824, 40, 40, 40]),
  ],
  modelTypes: ['olmo2'],
  architecture: 'Olmo2ForCausalLM',
  dims: gatedDims({ vocab: 50_304, hidden: 4096, ffn: 11_008, layers: 32, heads: 32 }),
  settings: { ...without(llama.settings, 'mlpBias'), eps: setting('rms_norm_eps', 1e-5) },
  scores: { ...llama.scores, between: ['self_attn.q_norm', 'self_attn.k_norm'] },
  constraints: [],
  // One weight per line, in columns.
  // prettier-ignore
  tensors: {
    'model.embed_tokens.weight':                      lookup('vocab : hidden'),
    [`${layerKey}self_attn.q_proj.weight`]:           unscaledLinear('stream', '(kv_heads group head_dim) <- hidden'),
    [`${layerKey}self_attn.q_proj.bias`]:             bias('(kv_heads group head_dim)', 'attentionBias'),
    [`${layerKey}self_attn.k_proj.weight`]:           unscaledLinear('stream', '(kv_heads head_dim) <- hidden'),
    [`${layerKey}self_attn.k_proj.bias`]:             bias('(kv_heads head_dim)', 'attentionBias'),
    [`${layerKey}self_attn.v_proj.weight`]:           unscaledLinear('stream', '(kv_heads head_dim) <- hidden'),
    [`${layerKey}self_attn.v_proj.bias`]:             bias('(kv_heads head_dim)', 'attentionBias'),
    [`${layerKey}self_attn.o_proj.weight`]:           linear('hidden <- (kv_heads group head_dim)'),
    [`${layerKey}self_attn.o_proj.bias`]:             bias('hidden', 'attentionBias'),
    [`${layerKey}self_attn.q_norm.weight`]:           outputGain(`${layerKey}self_attn.q_proj.weight`, '(kv_heads group head_dim)'),
    [`${layerKey}self_attn.k_norm.weight`]:           outputGain(`${layerKey}self_attn.k_proj.weight`, '(kv_heads head_dim)'),
    [`${layerKey}post_attention_layernorm.weight`]:   outputGain(`${layerKey}self_attn.o_proj.weight`, 'hidden'),
    [`${layerKey}mlp.gate_proj.weight`]:              unscaledLinear('stream', 'ffn <- hidden'),
    [`${layerKey}mlp.up_proj.weight`]:                unscaledLinear('stream', 'ffn <- hidden'),
    [`${layerKey}mlp.down_proj.weight`]:              linear('hidden <- ffn'),
    [`${layerKey}post_feedforward_layernorm.weight`]: outputGain(`${layerKey}mlp.down_proj.weight`, 'hidden'),
    'model.norm.weight':                              gain('hidden'),
    'lm_head.weight':                                 linear('vocab <- hidden'),
  },
  forward: (m, tokens) => gatedDecoder(m, tokens, normedBranches(m)),
};

/** Norms after both branches and on queries and keys. */
export const normedBranches = (m: ModelBuilder): DecoderForm => ({
  norms: { afterAttention: 'post_attention_layernorm', afterMlp: 'post_feedforward_layernorm' },
  rotate: (x, name) => m.rotary(m.norm(x, `${name}_norm`)),
});
