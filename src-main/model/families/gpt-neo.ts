/**
 * @file GPT-Neo: learned positions, a local window in every other layer, and scores that are not scaled. Must agree
 * with transformers' modeling_gpt_neo.py.
 */
import { derived, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { add } from '../named-value.ts';
import { plainRelease } from '../releases.ts';
import { bias, linear, without } from '../tensor-specs.ts';
import { gatedDecoder, plainMlp } from './gated-decoder.ts';
import { gpt2 } from './gpt2.ts';
import { attentionPatterns } from './attention-patterns.ts';

const attn = 'h.{layer}.attn.attention';

export const gptNeo: ModelFamily = {
  ...gpt2,
  gguf: false,
  parts: {},
  id: 'gpt_neo',
  title: 'GPT-Neo',
  releases: [
    plainRelease('GPT-Neo 125M', [768, 12, 12]),
    plainRelease('GPT-Neo 1.3B', [2048, 24, 16]),
    plainRelease('GPT-Neo 2.7B', [2560, 32, 20]),
  ],
  modelTypes: ['gpt_neo'],
  architecture: 'GPTNeoForCausalLM',
  attributeMap: { num_attention_heads: 'num_heads', num_hidden_layers: 'num_layers' },
  dims: {
    vocab: size('vocab_size', { default: 50_257 }),
    positions: size('max_position_embeddings', { default: 2048 }),
    hidden: size('hidden_size', { default: 2048 }),
    heads: size('num_heads', { default: 16 }),
    ffn: size('intermediate_size', { fallback: ({ hidden }) => 4 * hidden! }),
    head_dim: derived(({ hidden, heads }) => hidden! / heads!),
    layers: size('num_layers', { default: 24 }),
  },
  settings: {
    ...gpt2.settings,
    window: setting('window_size', 256),
    layerTypes: attentionPatterns.setting,
  },
  scores: { over: 'head_dim', between: ['attn.attention.q_proj', 'attn.attention.k_proj'], scale: () => 1 },
  // One weight per line, in columns.
  // prettier-ignore
  tensors: {
    ...without(
      gpt2.tensors,
      'h.{layer}.attn.c_attn.weight',
      'h.{layer}.attn.c_attn.bias',
      'h.{layer}.attn.c_proj.weight',
      'h.{layer}.attn.c_proj.bias',
    ),
    [`${attn}.q_proj.weight`]:       linear('(heads head_dim) <- hidden'),
    [`${attn}.k_proj.weight`]:       linear('(heads head_dim) <- hidden'),
    [`${attn}.v_proj.weight`]:       linear('(heads head_dim) <- hidden'),
    [`${attn}.out_proj.weight`]:     linear('hidden <- (heads head_dim)'),
    [`${attn}.out_proj.bias`]:       bias('hidden'),
    'h.{layer}.mlp.c_fc.weight':     linear('ffn <- hidden'),
    'h.{layer}.mlp.c_proj.weight':   linear('hidden <- ffn'),
  },
  remapLayers: attentionPatterns.remapLayers,
  assertSupported: attentionPatterns.assertSupported,
  forward: (m, tokens) =>
    gatedDecoder(
      m,
      tokens,
      {
        names: { layers: 'h', attention: 'attn.attention', output: 'out_proj', lastNorm: 'ln_f' },
        norms: { beforeAttention: 'ln_1', beforeMlp: 'ln_2' },
        rotate: (x) => x,
        scale: 1,
        feedForward: (x, layer) => plainMlp(m, x, `${layer}.mlp`, { up: 'c_fc', down: 'c_proj' }),
      },
      add(m.embed('wte', tokens), m.positionRows('wpe', tokens)),
    ),
};
