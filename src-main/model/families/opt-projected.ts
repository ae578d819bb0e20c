/**
 * @file OPT-350m: post-norm layers, and linear layers between the residual stream and a narrower token table. Must
 * agree with transformers' modeling_opt.py.
 */
import { size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { linear, lookup, without } from '../tensor-specs.ts';
import { assertNormsSupported, isPostNorm, optLayers, unsupported } from './opt-decoder.ts';
import { opt } from './opt.ts';

export const optProjected: ModelFamily = {
  ...opt,
  id: 'opt-projected',
  title: 'OPT (projected)',
  releases: [],
  matches: isPostNorm,
  dims: { embed: size('word_embed_proj_dim'), ...opt.dims, hidden: size('hidden_size', { default: 768 }) },
  stream: {
    axis: 'hidden',
    norm: 'layer',
    postNorm: {
      afterAttention: 'layers.{layer}.self_attn_layer_norm',
      afterMlp: 'layers.{layer}.final_layer_norm',
    },
  },
  head: { weight: 'lm_head.weight', tiedTo: 'embed_tokens.weight' },
  tensors: {
    ...without(opt.tensors, 'final_layer_norm.weight', 'final_layer_norm.bias'),
    'embed_tokens.weight': lookup('vocab : embed'),
    'project_in.weight': linear('hidden <- embed'),
    'project_out.weight': linear('embed <- hidden'),
    'lm_head.weight': linear('vocab <- embed'),
  },
  assertSupported(config) {
    const { hidden_size: hidden } = config;
    if ((config['word_embed_proj_dim'] ?? hidden) === hidden)
      unsupported(
        'do_layer_norm_before: false',
        'it is only supported if word_embed_proj_dim is smaller than hidden_size',
      );
    assertNormsSupported(config);
  },
  forward(m, tokens) {
    const embedded = m.linear(m.embed('embed_tokens', tokens), 'project_in');
    return m.linear(optLayers(m, tokens, embedded, { postNorm: true }), 'project_out');
  },
};
