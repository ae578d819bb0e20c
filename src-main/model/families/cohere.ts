/**
 * @file Command R (Cohere): parallel blocks with one layer norm that has no shift, interleaved rotary pairs, a tied
 * head and scaled logits. Must agree with transformers' modeling_cohere.py.
 */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { optional, setting } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { without } from '../tensor-specs.ts';
import { gatedDecoder, gatedDims, type DecoderForm, type GatedDefaults } from './gated-decoder.ts';
import { llama, llamaTensors } from './llama.ts';

const rope: RopeSpec = { theta: 5e5, positions: 8192, interleaved: true };

export const cohereDefaults: GatedDefaults = {
  vocab: 256_000,
  hidden: 8192,
  ffn: 22_528,
  layers: 40,
  heads: 64,
};

/** Both branches read the same norm. */
export const cohereBlocks: DecoderForm = { norms: { beforeAttention: 'input_layernorm' }, parallel: true };

/** Refuses null where the forward pass of transformers needs a number. */
function assertNumbers(config: JsonObject): void {
  const key = ['layer_norm_eps', 'logit_scale'].find((name) => config[name] === null);
  if (key !== undefined)
    refuse('checkpoint/bad-config', { path: 'config.json', key, why: 'is null, which is not a number' });
}

export const cohere: ModelFamily = {
  ...llama,
  id: 'cohere',
  title: 'Command R',
  releases: [groupedRelease('Command R 35B', [8192, 22_528, 40, 64, 64])],
  modelTypes: ['cohere'],
  architecture: 'CohereForCausalLM',
  dims: gatedDims(cohereDefaults),
  settings: {
    ...without(llama.settings, 'mlpBias'),
    eps: optional('layer_norm_eps', 1e-5),
    tied: setting('tie_word_embeddings', true),
    positions: setting('max_position_embeddings', 8192),
    logitScale: optional('logit_scale', 0.0625),
    ...ropeSettings(rope),
  },
  stream: { axis: 'hidden', norm: 'layer' },
  head: { ...llama.head, scale: (s) => Number(s['logitScale']) },
  constraints: [],
  tensors: without(
    llamaTensors((key) => (key.includes('self_attn') ? 'attentionBias' : false)),
    'model.layers.{layer}.post_attention_layernorm.weight',
  ),
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    assertNumbers(config);
    if (config['use_qk_norm'] === true)
      refuse('checkpoint/unsupported', {
        what: 'use_qk_norm',
        why: 'norms with a gain for every head are not implemented for this family',
      });
  },
  forward: (m, tokens) => gatedDecoder(m, tokens, cohereBlocks),
};
