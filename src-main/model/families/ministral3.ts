/**
 * @file Ministral 3: Mistral with scaled positions, and queries that grow with theirs. Must agree with
 * modeling_ministral3.py.
 */
import { optional, setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { gatedDecoder, gatedDims } from './gated-decoder.ts';
import { mistral } from './mistral.ts';

const rope: RopeSpec = {
  positions: 262_144,
  hasQueryScale: true,
  defaults: {
    rope_type: 'yarn',
    rope_theta: 1e6,
    factor: 16,
    original_max_position_embeddings: 16_384,
    beta_fast: 32,
    beta_slow: 1,
    mscale_all_dim: 1,
    mscale: 1,
    llama_4_scaling_beta: 0.1,
  },
};

export const ministral3: ModelFamily = {
  ...mistral,
  id: 'ministral3',
  title: 'Ministral 3',
  releases: [
    groupedRelease('Ministral 3 3B', [3072, 9216, 26, 32, 8, 128]),
    groupedRelease('Ministral 3 8B', [4096, 14_336, 34, 32, 8, 128]),
    groupedRelease('Ministral 3 14B', [5120, 16_384, 40, 32, 8, 128]),
  ],
  modelTypes: ['ministral3'],
  architecture: 'Ministral3ForCausalLM',
  dims: {
    ...gatedDims({ vocab: 131_072, hidden: 4096, ffn: 14_336, layers: 34, heads: 32, kvHeads: 8 }),
    head_dim: size('head_dim', { default: 128 }),
  },
  settings: {
    ...mistral.settings,
    eps: setting('rms_norm_eps', 1e-5),
    positions: setting('max_position_embeddings', 262_144),
    window: optional('sliding_window', null),
    ...ropeSettings(rope),
  },
  rope: rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      rotate: (x, name) =>
        m.rotary(x, name.endsWith('.q') ? m.settings : { ...m.settings, ropeScalingBeta: 0 }),
    }),
};
