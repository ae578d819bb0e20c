/**
 * @file OPT: learned positions, pre-norm layers, layer norms with a fixed eps. Must agree with transformers'
 * modeling_opt.py.
 */
import { derived, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { plainRelease } from '../releases.ts';
import { bias, gain, linear, lookup, shift } from '../tensor-specs.ts';
import { wholeHeads } from './constraints.ts';
import { assertNormsSupported, isPostNorm, optLayers, unsupported, unusedRows } from './opt-decoder.ts';

export const opt: ModelFamily = {
  id: 'opt',
  title: 'OPT',
  releases: [
    plainRelease('OPT 125M', [768, 12, 12]),
    plainRelease('OPT 1.3B', [2048, 24, 32]),
    plainRelease('OPT 2.7B', [2560, 32, 32]),
    plainRelease('OPT 6.7B', [4096, 32, 32]),
    plainRelease('OPT 13B', [5120, 40, 40]),
    plainRelease('OPT 30B', [7168, 48, 56]),
  ],
  modelTypes: ['opt'],
  architecture: 'OPTForCausalLM',
  matches: (config) => !isPostNorm(config),
  dims: {
    vocab: size('vocab_size', { default: 50_272 }),
    positions: size('max_position_embeddings', { default: 2048 }),
    places: derived(({ positions }) => positions! + unusedRows),
    hidden: {
      ...size('hidden_size', { default: 768 }),
      keys: ['hidden_size', 'word_embed_proj_dim'],
      write: ({ hidden }) => ({ hidden_size: hidden!, word_embed_proj_dim: hidden! }),
    },
    heads: size('num_attention_heads', { default: 12 }),
    ffn: size('ffn_dim', { default: 3072 }),
    head_dim: derived(({ hidden, heads }) => hidden! / heads!),
    layers: size('num_hidden_layers', { default: 12 }),
  },
  settings: {
    eps: { keys: [], read: () => 1e-5 }, // the default of nn.LayerNorm
    tied: setting('tie_word_embeddings', true),
    activation: setting('activation_function', 'relu'),
    std: setting('init_std', 0.02),
    bias: setting('enable_bias', true),
  },
  parts: {},
  stream: { axis: 'hidden', norm: 'layer' },
  head: { weight: 'lm_head.weight', tiedTo: 'embed_tokens.weight', norm: 'final_layer_norm' },
  scores: {
    over: 'head_dim',
    between: ['self_attn.q_proj', 'self_attn.k_proj'],
    scale: ({ head_dim }) => head_dim! ** -0.5,
  },
  frozen: {},
  constraints: [wholeHeads],
  // One weight per line, in columns.
  // prettier-ignore
  tensors: {
    'embed_tokens.weight':                         lookup('vocab : hidden'),
    'embed_positions.weight':                      lookup('places : hidden'),
    'layers.{layer}.self_attn_layer_norm.weight':  gain('hidden'),
    'layers.{layer}.self_attn_layer_norm.bias':    shift('hidden'),
    'layers.{layer}.self_attn.q_proj.weight':      linear('(heads head_dim) <- hidden'),
    'layers.{layer}.self_attn.q_proj.bias':        bias('(heads head_dim)', 'bias'),
    'layers.{layer}.self_attn.k_proj.weight':      linear('(heads head_dim) <- hidden'),
    'layers.{layer}.self_attn.k_proj.bias':        bias('(heads head_dim)', 'bias'),
    'layers.{layer}.self_attn.v_proj.weight':      linear('(heads head_dim) <- hidden'),
    'layers.{layer}.self_attn.v_proj.bias':        bias('(heads head_dim)', 'bias'),
    'layers.{layer}.self_attn.out_proj.weight':    linear('hidden <- (heads head_dim)'),
    'layers.{layer}.self_attn.out_proj.bias':      bias('hidden', 'bias'),
    'layers.{layer}.final_layer_norm.weight':      gain('hidden'),
    'layers.{layer}.final_layer_norm.bias':        shift('hidden'),
    'layers.{layer}.fc1.weight':                   linear('ffn <- hidden'),
    'layers.{layer}.fc1.bias':                     bias('ffn', 'bias'),
    'layers.{layer}.fc2.weight':                   linear('hidden <- ffn'),
    'layers.{layer}.fc2.bias':                     bias('hidden', 'bias'),
    'final_layer_norm.weight':                     gain('hidden'),
    'final_layer_norm.bias':                       shift('hidden'),
    'lm_head.weight':                              linear('vocab <- hidden'),
  },
  baseModelPrefix: 'model',
  namePrefix: 'model.decoder.',
  assertSupported(config) {
    const { word_embed_proj_dim: width, hidden_size: hidden } = config;
    if (typeof width === 'number' && typeof hidden === 'number' && hidden > 0 && width !== hidden)
      unsupported(
        'word_embed_proj_dim',
        'a token table narrower than hidden_size is only supported with do_layer_norm_before: false',
      );
    assertNormsSupported(config);
  },
  forward: (m, tokens) =>
    m.norm(optLayers(m, tokens, m.embed('embed_tokens', tokens), { postNorm: false }), 'final_layer_norm'),
};
