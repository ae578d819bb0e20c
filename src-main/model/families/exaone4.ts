/**
 * @file EXAONE 4: norms after both branches and on queries and keys, and rotary positions in sliding layers only. Must
 * agree with transformers' modeling_exaone4.py.
 */
import { refuse } from '../../base/errors.ts';
import { windowOf } from '../attention.ts';
import { optional, setting } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { outputGain, without } from '../tensor-specs.ts';
import { gatedDecoder, gatedDims } from './gated-decoder.ts';
import { assertLayerTypesSupported, periodicLayerTypes } from './layer-types.ts';
import { normedBranches, olmo2 } from './olmo2.ts';
import { assertWindowUsed } from './windows.ts';

const window = optional('sliding_window', 4096);
const layerTypes = periodicLayerTypes((config) => Number(config['sliding_window_pattern'] ?? 4));
const rope: RopeSpec = { positions: 2048, hasLayerTypes: true };
const attn = 'model.layers.{layer}.self_attn';

export const exaone4: ModelFamily = {
  ...olmo2,
  id: 'exaone4',
  title: 'EXAONE 4',
  releases: [
    groupedRelease('EXAONE 4 1.2B', [2048, 4096, 30, 32, 8]),
    groupedRelease('EXAONE 4 32B', [5120, 27_392, 64, 40, 8]),
  ],
  modelTypes: ['exaone4'],
  architecture: 'Exaone4ForCausalLM',
  dims: gatedDims({ vocab: 102_400, hidden: 4096, ffn: 16_384, layers: 32, heads: 32, kvHeads: 32 }),
  settings: {
    ...without(olmo2.settings, 'attentionBias'),
    positions: setting('max_position_embeddings', 2048),
    window,
    layerTypes: layerTypes.setting,
    ...ropeSettings(rope),
  },
  tensors: {
    ...Object.fromEntries(Object.entries(olmo2.tensors).filter(([, { kind }]) => kind !== 'bias')),
    [`${attn}.q_norm.weight`]: outputGain(`${attn}.q_proj.weight`, 'head_dim'),
    [`${attn}.k_norm.weight`]: outputGain(`${attn}.k_proj.weight`, 'head_dim'),
  },
  remapLayers: layerTypes.remapLayers,
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    assertLayerTypesSupported(config);
    assertWindowUsed(config, () => window.read(config) !== null);
    const needsPattern = !Array.isArray(config['layer_types']);
    if (
      needsPattern &&
      (window.read(config) === null || typeof config['sliding_window_pattern'] === 'string')
    )
      refuse('checkpoint/unsupported', {
        what: 'sliding_window_pattern',
        why: 'transformers needs layer_types where it is text or there is no window',
      });
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      ...normedBranches(m),
      rotate(x, name, layer) {
        const normed = m.norm(x, `${name}_norm`);
        const rotates = m.settings['window'] === null || windowOf(m.settings, layer) !== undefined;
        return rotates ? m.rotary(normed) : normed;
      },
    }),
};
