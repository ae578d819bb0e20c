/** @file Mistral: Llama without biases, with sliding-window attention. Must agree with modeling_mistral.py. */
import { refuse } from '../../base/errors.ts';
import { optional, setting } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { without } from '../tensor-specs.ts';
import { gatedDims } from './gated-decoder.ts';
import { llama, withBiases } from './llama.ts';

const rope: RopeSpec = { positions: 131_072 };

export const mistral: ModelFamily = {
  ...llama,
  id: 'mistral',
  title: 'Mistral',
  modelTypes: ['mistral'],
  architecture: 'MistralForCausalLM',
  dims: gatedDims({ vocab: 32_000, hidden: 4096, ffn: 14_336, layers: 32, heads: 32, kvHeads: 8 }),
  settings: {
    ...without(llama.settings, 'attentionBias', 'mlpBias'),
    positions: setting('max_position_embeddings', 131_072),
    window: optional('sliding_window', 4096),
    ...ropeSettings(rope),
  },
  constraints: [],
  tensors: withBiases(/^$/),
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    if (config['layer_types'] !== undefined)
      refuse('checkpoint/unsupported', {
        what: 'layer_types',
        why: 'every layer of this family has the same window',
      });
  },
};
