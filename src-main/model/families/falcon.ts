/**
 * @file Falcon with one key and value head and rotary positions (7B). Must agree with transformers' modeling_falcon.py.
 */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { derived, optional, optionalFlag, optionalText, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { bloomForm, bloomHead, bloomScores, bloomTensors } from './bloom-decoder.ts';
import { wholeHeads } from './constraints.ts';
import { gatedDecoder } from './gated-decoder.ts';

const rope: RopeSpec = { positions: 2048 };

/** Whether all query heads share one key and value head. */
export const isMultiQuery = (config: JsonObject): boolean =>
  config['multi_query'] !== false && config['multi_query'] !== null;

export function assertBlocksSupported(config: JsonObject): void {
  for (const what of ['layer_norm_epsilon', 'activation'])
    if (config[what] === null)
      refuse('checkpoint/unsupported', { what: `${what} null`, why: 'transformers cannot run it either' });
  if (config['new_decoder_architecture'] === true)
    refuse('checkpoint/unsupported', {
      what: 'new_decoder_architecture',
      why: 'queries, keys and values are stored in groups, and each branch has a norm of its own',
    });
}

export const falcon: ModelFamily = {
  id: 'falcon',
  title: 'Falcon',
  releases: [groupedRelease('Falcon 7B', [4544, 18_176, 32, 71, 1])],
  modelTypes: ['falcon'],
  architecture: 'FalconForCausalLM',
  gguf: true,
  matches: isMultiQuery,
  formerNames: { n_embed: 'hidden_size' },
  dims: {
    vocab: size('vocab_size', { default: 65_024 }),
    hidden: size('hidden_size', { default: 4544 }),
    kv_heads: derived(() => 1),
    group: size('num_attention_heads', { default: 71 }),
    head_dim: derived(({ hidden, group }) => hidden! / group!),
    ffn: size('ffn_hidden_size', { fallback: ({ hidden }) => 4 * hidden! }),
    layers: size('num_hidden_layers', { default: 32 }),
  },
  settings: {
    eps: optional('layer_norm_epsilon', 1e-5),
    tied: setting('tie_word_embeddings', true),
    std: setting('initializer_range', 0.02),
    activation: optionalText('activation', 'gelu'),
    bias: optionalFlag('bias', false),
    parallelResidual: optionalFlag('parallel_attn', true),
    sequentialResidual: {
      keys: ['parallel_attn'],
      read: (config) => config['parallel_attn'] === false || config['parallel_attn'] === null,
    },
    positions: setting('max_position_embeddings', 2048),
    ...ropeSettings(rope),
  },
  parts: { qkv: ['q', 'k', 'v'] },
  stream: { axis: 'hidden', norm: 'layer' },
  head: bloomHead,
  scores: bloomScores,
  frozen: {
    head_dim: 'each entry of a head has a fixed rotary frequency',
    kv_heads: 'all query heads share one key and value head',
  },
  constraints: [wholeHeads],
  tensors: bloomTensors('group', { biases: 'bias', secondNorm: 'sequentialResidual' }),
  baseModelPrefix: 'transformer',
  namePrefix: 'transformer.',
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    assertBlocksSupported(config);
    if (config['alibi'] === true)
      refuse('checkpoint/unsupported', {
        what: 'alibi with multi_query',
        why: 'only models with a key and value head for each query head have ALiBi here',
      });
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, bloomForm(m, 'group', m.settings['parallelResidual'] === true)),
};
