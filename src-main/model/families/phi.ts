/**
 * @file Phi-1, 1.5 and 2: parallel blocks with one layer norm, partially rotated heads, and a head with a bias. Must
 * agree with transformers' modeling_phi.py.
 */
import { refuse } from '../../base/errors.ts';
import { derived, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { bias, gain, linear, lookup, shift } from '../tensor-specs.ts';
import { wholeHeads } from './constraints.ts';
import { gatedDecoder, groupedHeads, plainMlp } from './gated-decoder.ts';
import { llama } from './llama.ts';

const rope: RopeSpec = { factor: 0.5, factorKey: 'partial_rotary_factor', positions: 2048 };

export const phi: ModelFamily = {
  ...llama,
  id: 'phi',
  title: 'Phi',
  releases: [
    groupedRelease('Phi-1.5', [2048, 8192, 24, 32, 32]),
    groupedRelease('Phi-2', [2560, 10_240, 32, 32, 32]),
  ],
  modelTypes: ['phi'],
  architecture: 'PhiForCausalLM',
  dims: {
    vocab: size('vocab_size', { default: 51_200 }),
    hidden: size('hidden_size', { default: 2048 }),
    ...groupedHeads({ heads: 32 }),
    head_dim: derived(({ hidden, kv_heads, group }) => hidden! / (kv_heads! * group!)),
    ffn: size('intermediate_size', { default: 8192 }),
    layers: size('num_hidden_layers', { default: 24 }),
  },
  settings: {
    eps: setting('layer_norm_eps', 1e-5),
    tied: setting('tie_word_embeddings', false),
    activation: setting('hidden_act', 'gelu_new'),
    std: setting('initializer_range', 0.02),
    positions: setting('max_position_embeddings', 2048),
    ...ropeSettings(rope),
  },
  stream: { axis: 'hidden', norm: 'layer' },
  head: { ...llama.head, norm: 'model.final_layernorm' },
  constraints: [wholeHeads],
  // One weight per line, in columns.
  // prettier-ignore
  tensors: {
    'model.embed_tokens.weight':                   lookup('vocab : hidden'),
    'model.layers.{layer}.input_layernorm.weight': gain('hidden'),
    'model.layers.{layer}.input_layernorm.bias':   shift('hidden'),
    'model.layers.{layer}.self_attn.q_proj.weight': linear('(kv_heads group head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.q_proj.bias':  bias('(kv_heads group head_dim)'),
    'model.layers.{layer}.self_attn.k_proj.weight': linear('(kv_heads head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.k_proj.bias':  bias('(kv_heads head_dim)'),
    'model.layers.{layer}.self_attn.v_proj.weight': linear('(kv_heads head_dim) <- hidden'),
    'model.layers.{layer}.self_attn.v_proj.bias':  bias('(kv_heads head_dim)'),
    'model.layers.{layer}.self_attn.dense.weight': linear('hidden <- (kv_heads group head_dim)'),
    'model.layers.{layer}.self_attn.dense.bias':   bias('hidden'),
    'model.layers.{layer}.mlp.fc1.weight':         linear('ffn <- hidden'),
    'model.layers.{layer}.mlp.fc1.bias':           bias('ffn'),
    'model.layers.{layer}.mlp.fc2.weight':         linear('hidden <- ffn'),
    'model.layers.{layer}.mlp.fc2.bias':           bias('hidden'),
    'model.final_layernorm.weight':                gain('hidden'),
    'model.final_layernorm.bias':                  shift('hidden'),
    'lm_head.weight':                              linear('vocab <- hidden'),
    'lm_head.bias':                                bias('vocab'),
  },
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    if (config['qk_layernorm'] === true)
      refuse('checkpoint/unsupported', {
        what: 'qk_layernorm',
        why: 'norms of queries and keys are not implemented for this family',
      });
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      names: { output: 'dense', lastNorm: 'model.final_layernorm' },
      norms: { beforeAttention: 'input_layernorm' },
      parallel: true,
      feedForward: (x, layer) => plainMlp(m, x, `${layer}.mlp`, { up: 'fc1', down: 'fc2' }),
    }),
};
