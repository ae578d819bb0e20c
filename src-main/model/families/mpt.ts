/**
 * @file MPT: ALiBi, and no bias anywhere. Must agree with transformers' modeling_mpt.py, whose MLP is always four times
 * as wide as the stream and whose slopes always end at 2^-8.
 */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { derived, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { alibi } from '../key-bias.ts';
import { unbind } from '../named-value.ts';
import { plainRelease } from '../releases.ts';
import { gain, linear, lookup } from '../tensor-specs.ts';
import { frozenSlopes, wholeHeads } from './constraints.ts';
import { gatedDecoder, plainMlp } from './gated-decoder.ts';

export const mpt: ModelFamily = {
  id: 'mpt',
  title: 'MPT',
  releases: [plainRelease('MPT 7B', [4096, 32, 32]), plainRelease('MPT 30B', [7168, 48, 64])],
  modelTypes: ['mpt'],
  architecture: 'MptForCausalLM',
  gguf: false,
  attributeMap: { num_attention_heads: 'n_heads', hidden_size: 'd_model', num_hidden_layers: 'n_layers' },
  dims: {
    vocab: size('vocab_size', { default: 50_368 }),
    hidden: size('d_model', { default: 2048 }),
    heads: size('n_heads', { default: 16 }),
    ffn: derived(({ hidden }) => 4 * hidden!),
    head_dim: derived(({ hidden, heads }) => hidden! / heads!),
    layers: size('n_layers', { default: 24 }),
  },
  settings: {
    eps: setting('layer_norm_epsilon', 1e-5),
    tied: setting('tie_word_embeddings', true),
    std: setting('initializer_range', 0.02),
    positions: setting('max_seq_len', 2048),
    activation: { keys: [], read: () => 'gelu' },
  },
  parts: { qkv: ['q', 'k', 'v'] },
  stream: { axis: 'hidden', norm: 'layer' },
  head: { weight: 'lm_head.weight', tiedTo: 'wte.weight', norm: 'norm_f' },
  scores: {
    over: 'head_dim',
    between: ['attn.Wqkv/q', 'attn.Wqkv/k'],
    scale: ({ head_dim }) => head_dim! ** -0.5,
  },
  frozen: { heads: frozenSlopes },
  constraints: [wholeHeads],
  // One weight per line, in columns.
  // prettier-ignore
  tensors: {
    'wte.weight':                          lookup('vocab : hidden'),
    'blocks.{layer}.norm_1.weight':        gain('hidden'),
    'blocks.{layer}.attn.Wqkv.weight':     linear('(qkv heads head_dim) <- hidden'),
    'blocks.{layer}.attn.out_proj.weight': linear('hidden <- (heads head_dim)'),
    'blocks.{layer}.norm_2.weight':        gain('hidden'),
    'blocks.{layer}.ffn.up_proj.weight':   linear('ffn <- hidden'),
    'blocks.{layer}.ffn.down_proj.weight': linear('hidden <- ffn'),
    'norm_f.weight':                       gain('hidden'),
    'lm_head.weight':                      linear('vocab <- hidden'),
  },
  floatKeys: ['embedding_fraction'],
  baseModelPrefix: 'transformer',
  namePrefix: 'transformer.',
  assertSupported(config) {
    const attention = (config['attn_config'] ?? {}) as JsonObject;
    for (const what of ['clip_qkv', 'softmax_scale'])
      if (attention[what] !== undefined && attention[what] !== null)
        refuse('checkpoint/unsupported', { what, why: 'queries and keys are neither clipped nor scaled' });
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      names: { embed: 'wte', layers: 'blocks', attention: 'attn', output: 'out_proj', lastNorm: 'norm_f' },
      norms: { beforeAttention: 'norm_1', beforeMlp: 'norm_2' },
      rotate: (x) => x,
      keyBias: alibi(m.dims['heads']!),
      project: (y, attention) => unbind(m.linear(y, `${attention}.Wqkv`), 'qkv'),
      feedForward: (x, layer) => plainMlp(m, x, `${layer}.ffn`),
    }),
};
