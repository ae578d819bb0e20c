/**
 * @file OLMo 3: OLMo 2 with a sliding window in three of four layers, whose positions are never scaled. Must agree
 * with transformers' modeling_olmo3.py.
 */
import { optional } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { slidingAttention } from '../layer-type-names.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import { withLocalRope } from '../rope-frequencies.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { gatedDecoder } from './gated-decoder.ts';
import { assertLayerTypesSupported, periodicLayerTypes } from './layer-types.ts';
import { normedBranches, olmo2 } from './olmo2.ts';

const layerTypes = periodicLayerTypes(() => 4);

// The class reads a rope_theta at the top level for full attention only.
const rope: RopeSpec = { theta: 5e5, positions: 2048, hasLayerTypes: true, sliding: { theta: 5e5 } };

export const olmo3: ModelFamily = {
  ...olmo2,
  id: 'olmo3',
  title: 'OLMo 3',
  releases: [
    groupedRelease('OLMo 3 7B', [4096, 11_008, 32, 32, 32]),
    groupedRelease('OLMo 3 32B', [5120, 27_648, 64, 40, 8]),
  ],
  modelTypes: ['olmo3'],
  architecture: 'Olmo3ForCausalLM',
  settings: {
    ...olmo2.settings,
    window: optional('sliding_window', 4096),
    layerTypes: layerTypes.setting,
    ...ropeSettings(rope),
  },
  remapLayers: layerTypes.remapLayers,
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    assertLayerTypesSupported(config);
  },
  forward(m, tokens) {
    const types = m.settings['layerTypes'] as readonly string[];
    return gatedDecoder(m, tokens, {
      ...normedBranches(m),
      rotate: (x, name, layer) => {
        const slides = types[layer] === slidingAttention;
        return m.rotary(m.norm(x, `${name}_norm`), slides ? withLocalRope(m.settings) : m.settings);
      },
    });
  },
};
