/**
 * @file Gemma: Llama's layers with gains stored minus one, and embeddings scaled by sqrt(hidden_size). Must agree
 * with transformers' modeling_gemma.py.
 */
import { refuse } from '../../base/errors.ts';
import { toText, type JsonObject } from '../../base/json.ts';
import { isWeightDType, downcast, upcast } from '../../tensor/dtype.ts';
import type { Dims } from '../../tensor/layout.ts';
import { elementType, setting, size } from '../config-fields.ts';
import type { ModelFamily, Settings } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { withOffset, without } from '../tensor-specs.ts';
import { gatedDecoder, gatedDims, type GatedDefaults } from './gated-decoder.ts';
import { llama } from './llama.ts';

/** sqrt(hidden_size), rounded as transformers does: to float32, then to the element type of the weights. */
export function embedScale({ hidden }: Dims, { dtype }: Settings): number {
  const name = toText(dtype);
  const single = Float32Array.of(Math.sqrt(hidden!));
  return isWeightDType(name) ? upcast(downcast(single, name), name)[0]! : single[0]!;
}

/** Refuses attention to later positions. */
export function assertCausal(config: JsonObject): void {
  if (config['use_bidirectional_attention'] === true)
    refuse('checkpoint/unsupported', {
      what: 'use_bidirectional_attention',
      why: 'attention is always causal',
    });
}

const rope: RopeSpec = { positions: 8192 };

/** The sizes of every Gemma: heads are 256 wide by default. */
export const gemmaDims = (defaults: GatedDefaults): ModelFamily['dims'] => ({
  ...gatedDims(defaults),
  head_dim: size('head_dim', { default: 256 }),
});

export const gemma: ModelFamily = {
  ...llama,
  id: 'gemma',
  title: 'Gemma',
  releases: [
    groupedRelease('Gemma 2B', [2048, 16_384, 18, 8, 1, 256]),
    groupedRelease('Gemma 7B', [3072, 24_576, 28, 16, 16, 256]),
  ],
  modelTypes: ['gemma'],
  architecture: 'GemmaForCausalLM',
  dims: gemmaDims({ vocab: 256_000, hidden: 3072, ffn: 24_576, layers: 28, heads: 16, kvHeads: 16 }),
  settings: {
    ...without(llama.settings, 'mlpBias'),
    tied: setting('tie_word_embeddings', true),
    activation: {
      keys: ['hidden_act'],
      // Old files say "gelu", but the models were trained with the tanh approximation.
      read: ({ hidden_act: name }) =>
        name === undefined || name === 'gelu' ? 'gelu_pytorch_tanh' : toText(name),
    },
    positions: setting('max_position_embeddings', 8192),
    dtype: elementType,
    ...ropeSettings(rope),
  },
  embedScale,
  constraints: [],
  tensors: withOffset(
    Object.fromEntries(Object.entries(llama.tensors).filter(([, spec]) => spec.when !== 'mlpBias')),
    1,
  ),
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    assertCausal(config);
    const activation = config['hidden_activation'] ?? 'gelu_pytorch_tanh';
    if (activation !== 'gelu_pytorch_tanh')
      refuse('checkpoint/unsupported', {
        what: `hidden_activation "${JSON.stringify(activation)}"`,
        why: 'versions of transformers disagree about it',
      });
  },
  forward: (m, tokens) => gatedDecoder(m, tokens),
};
