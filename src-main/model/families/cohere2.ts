/**
 * @file Command R7B and Command A (Cohere 2): Cohere with a sliding window and rotary positions in three of four
 * layers, and no positions in the fourth. Must agree with transformers' modeling_cohere2.py.
 */
import { derived, optional, setting } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { windowOf } from '../attention.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { cohere, cohereBlocks, cohereDefaults } from './cohere.ts';
import { wholeHeads } from './constraints.ts';
import { gatedDecoder, gatedDims } from './gated-decoder.ts';
import { assertLayerTypesSupported, periodicLayerTypes } from './layer-types.ts';

const slidingWindowPattern = setting('sliding_window_pattern', 4);
const layerTypes = periodicLayerTypes((config) => Number(slidingWindowPattern.read(config)));

const rope: RopeSpec = { positions: 8192, hasLayerTypes: true, interleaved: true };

export const cohere2: ModelFamily = {
  ...cohere,
  id: 'cohere2',
  title: 'Command R7B and A',
  releases: [groupedRelease('Command R7B', [4096, 14_336, 32, 32, 8])],
  modelTypes: ['cohere2'],
  architecture: 'Cohere2ForCausalLM',
  dims: {
    ...gatedDims(cohereDefaults),
    head_dim: derived(({ hidden, kv_heads, group }) => hidden! / (kv_heads! * group!)),
  },
  settings: {
    ...cohere.settings,
    eps: setting('layer_norm_eps', 1e-5),
    logitScale: setting('logit_scale', 0.0625),
    window: optional('sliding_window', 4096),
    layerTypes: layerTypes.setting,
    ...ropeSettings(rope),
  },
  constraints: [wholeHeads],
  remapLayers: layerTypes.remapLayers,
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    assertLayerTypesSupported(config);
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      ...cohereBlocks,
      rotate: (x, _, layer) => (windowOf(m.settings, layer) === undefined ? x : m.rotary(x)),
    }),
};
