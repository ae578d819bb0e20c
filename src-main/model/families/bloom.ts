/**
 * @file BLOOM: ALiBi, a norm after the embedding, and q, k, v interleaved by head. Must agree with transformers'
 * modeling_bloom.py.
 */
import { refuse } from '../../base/errors.ts';
import { derived, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { alibi } from '../key-bias.ts';
import { plainRelease } from '../releases.ts';
import { gain, shift } from '../tensor-specs.ts';
import { bloomForm, bloomHead, bloomScores, bloomTensors } from './bloom-decoder.ts';
import { frozenSlopes, wholeHeads } from './constraints.ts';
import { gatedDecoder } from './gated-decoder.ts';

export const bloom: ModelFamily = {
  id: 'bloom',
  title: 'BLOOM',
  releases: [
    plainRelease('BLOOM 560M', [1024, 24, 16]),
    plainRelease('BLOOM 1.1B', [1536, 24, 16]),
    plainRelease('BLOOM 1.7B', [2048, 24, 16]),
    plainRelease('BLOOM 3B', [2560, 30, 32]),
    plainRelease('BLOOM 7.1B', [4096, 30, 32]),
  ],
  modelTypes: ['bloom'],
  architecture: 'BloomForCausalLM',
  gguf: true,
  attributeMap: { num_hidden_layers: 'n_layer', num_attention_heads: 'n_head' },
  formerNames: { n_embed: 'hidden_size' },
  dims: {
    vocab: size('vocab_size', { default: 250_880 }),
    hidden: size('hidden_size', { default: 64 }),
    heads: size('n_head', { default: 8 }),
    ffn: derived(({ hidden }) => 4 * hidden!),
    head_dim: derived(({ hidden, heads }) => hidden! / heads!),
    layers: size('n_layer', { default: 2 }),
  },
  settings: {
    eps: setting('layer_norm_epsilon', 1e-5),
    tied: setting('tie_word_embeddings', true),
    std: setting('initializer_range', 0.02),
    activation: { keys: [], read: () => 'gelu_pytorch_tanh' },
    // The class has no limit; files name the length of the texts in training.
    positions: { keys: [], read: (config) => Number(config['seq_length'] ?? 2048) },
  },
  parts: { qkv: ['q', 'k', 'v'] },
  stream: { axis: 'hidden', norm: 'layer', embeddingNorm: 'word_embeddings_layernorm' },
  head: bloomHead,
  scores: bloomScores,
  frozen: { heads: frozenSlopes },
  constraints: [wholeHeads],
  tensors: {
    ...bloomTensors('heads'),
    'word_embeddings_layernorm.weight': gain('hidden'),
    'word_embeddings_layernorm.bias': shift('hidden'),
  },
  baseModelPrefix: 'transformer',
  namePrefix: 'transformer.',
  assertSupported(config) {
    const what = 'apply_residual_connection_post_layernorm';
    if (config[what] === true)
      refuse('checkpoint/unsupported', { what, why: 'branches are added to the stream, not to its norm' });
  },
  forward: (m, tokens) =>
    gatedDecoder(
      m,
      tokens,
      { ...bloomForm(m, 'heads'), rotate: (x) => x, keyBias: alibi(m.dims['heads']!) },
      m.norm(m.embed('word_embeddings', tokens), 'word_embeddings_layernorm'),
    ),
};
