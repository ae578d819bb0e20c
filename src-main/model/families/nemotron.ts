/**
 * @file Nemotron and Minitron: layer norms with gains stored minus one, squared ReLU without a gate, and partially
 * rotated heads. Must agree with transformers' modeling_nemotron.py.
 */
import { setting, size } from '../config-fields.ts';
import type { ModelFamily, TensorSpec } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { shift, withOffset } from '../tensor-specs.ts';
import { gatedDecoder, gatedDims, plainMlp } from './gated-decoder.ts';
import { llama } from './llama.ts';

const rope: RopeSpec = { factor: 0.5, factorKey: 'partial_rotary_factor', positions: 4096 };

/** The tables of a family without gates, with a shift for every norm. */
const tensors = Object.entries(llama.tensors).flatMap(([key, spec]): (readonly [string, TensorSpec])[] => {
  if (key.includes('.gate_proj.')) return [];
  const isGain = spec.kind === 'gain';
  return isGain
    ? [
        [key, spec],
        [key.replace(/weight$/, 'bias'), shift(spec.layout.text)],
      ]
    : [[key, spec]];
});

export const nemotron: ModelFamily = {
  ...llama,
  id: 'nemotron',
  title: 'Nemotron',
  releases: [
    groupedRelease('Minitron 4B', [3072, 9216, 32, 24, 8]),
    groupedRelease('Minitron 8B', [4096, 16_384, 32, 48, 8, 128]),
  ],
  modelTypes: ['nemotron'],
  architecture: 'NemotronForCausalLM',
  dims: {
    ...gatedDims({ vocab: 256_000, hidden: 6144, ffn: 24_576, layers: 32, heads: 48 }),
    kv_heads: size('num_key_value_heads'),
  },
  settings: {
    ...llama.settings,
    eps: setting('norm_eps', 1e-5),
    activation: setting('hidden_act', 'relu2'),
    std: setting('initializer_range', 0.0134),
    positions: setting('max_position_embeddings', 4096),
    ...ropeSettings(rope),
  },
  stream: { axis: 'hidden', norm: 'layer' },
  constraints: [],
  tensors: withOffset(Object.fromEntries(tensors), 1),
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      feedForward: (x, layer) => plainMlp(m, x, `${layer}.mlp`, { up: 'up_proj', down: 'down_proj' }),
    }),
};
