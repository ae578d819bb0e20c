/**
 * @file Mistral: Llama without biases whose attention sees a window. Agrees with transformers'
 * modeling_mistral.py.
 */
import { refuse } from '../../base/errors.ts';
import { setting, without, type ModelFamily } from '../family.ts';
import { refuseRope } from '../rope.ts';
import { llama, sharedHeads, withBiases } from './llama.ts';

export const mistral: ModelFamily = {
  ...llama,
  id: 'mistral',
  title: 'Mistral',
  modelTypes: ['mistral'],
  architecture: 'MistralForCausalLM',
  dims: { ...llama.dims, ...sharedHeads(8) },
  settings: {
    ...without(llama.settings, 'attentionBias', 'mlpBias'),
    positions: setting('max_position_embeddings', 131_072),
    window: {
      keys: ['sliding_window'],
      read: (c) => (c['sliding_window'] === undefined ? 4096 : (c['sliding_window'] as number | null)),
    }, // null means none, absent means 4096
  },
  constraints: [],
  tensors: withBiases(/^$/),
  assertSupported(config) {
    refuseRope(config);
    if (config['layer_types'] !== undefined)
      refuse('checkpoint/unsupported', {
        what: 'layer_types',
        why: 'every layer of this family has the same window',
      });
  },
};
