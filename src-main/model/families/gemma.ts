/**
 * @file Gemma: Llama's layers with gains stored minus one and embeddings times the square root of hidden.
 * Agrees with transformers' modeling_gemma.py.
 */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { isWeightDType, narrow, widen } from '../../tensor/dtype.ts';
import type { Dims } from '../../tensor/layout.ts';
import {
  elementType,
  setting,
  size,
  withOffset,
  without,
  type ModelFamily,
  type Settings,
} from '../family.ts';
import { refuseRope, ropeSettings } from '../rope.ts';
import { gatedDecoder, llama } from './llama.ts';

const settings = without(llama.settings, 'mlpBias');

/**
 * sqrt(hidden) as transformers multiplies by it: rounded to float32 and then to the element type of the
 * weights.
 */
export function normalizer({ hidden }: Dims, { dtype }: Settings): number {
  const name = String(dtype);
  const single = Float32Array.of(Math.sqrt(hidden!));
  return isWeightDType(name) ? widen(narrow(single, name), name)[0]! : single[0]!;
}

/** Refuses attention that also looks ahead. */
export function refuseBidirectional(config: JsonObject): void {
  if (config['use_bidirectional_attention'] === true)
    refuse('checkpoint/unsupported', {
      what: 'use_bidirectional_attention',
      why: 'the forward pass never looks ahead',
    });
}

export const gemma: ModelFamily = {
  ...llama,
  id: 'gemma',
  title: 'Gemma',
  modelTypes: ['gemma'],
  architecture: 'GemmaForCausalLM',
  dims: { ...llama.dims, kv_heads: size('num_key_value_heads'), head_dim: size('head_dim', () => 256) },
  settings: {
    ...settings,
    tied: setting('tie_word_embeddings', true),
    activation: {
      keys: ['hidden_act'],
      read: (c) =>
        c['hidden_act'] === undefined || c['hidden_act'] === 'gelu'
          ? 'gelu_pytorch_tanh'
          : String(c['hidden_act']),
    }, // old files say gelu and mean this
    positions: setting('max_position_embeddings', 8192),
    dtype: elementType,
    ...ropeSettings(),
  },
  embedScale: normalizer,
  constraints: [],
  tensors: withOffset(
    Object.fromEntries(Object.entries(llama.tensors).filter(([, line]) => line.when !== 'mlpBias')),
    1,
  ),
  assertSupported(config) {
    refuseRope(config);
    refuseBidirectional(config);
    const other = config['hidden_activation'] ?? 'gelu_pytorch_tanh';
    if (other !== 'gelu_pytorch_tanh')
      refuse('checkpoint/unsupported', {
        what: `hidden_activation "${JSON.stringify(other)}"`,
        why: 'versions of transformers read it differently',
      });
  },
  forward: (m, tokens) => gatedDecoder(m, tokens),
};
