/** @file Ministral: Mistral with a window in some layers only. Must agree with modeling_ministral.py. */
import { optional, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { gatedDims } from './gated-decoder.ts';
import { assertLayerTypesSupported, layerTypesOf } from './layer-types.ts';
import { mistral } from './mistral.ts';
import { assertWindowUsed } from './windows.ts';

const window = optional('sliding_window', 4096);
const hasWindow = (config: Parameters<typeof window.read>[0]): boolean => window.read(config) !== null;
const rope: RopeSpec = { positions: 131_072, hasLayerTypes: true };

export const ministral: ModelFamily = {
  ...mistral,
  id: 'ministral',
  title: 'Ministral',
  releases: [groupedRelease('Ministral 8B', [4096, 12_288, 36, 32, 8, 128])],
  modelTypes: ['ministral'],
  architecture: 'MinistralForCausalLM',
  gguf: false,
  dims: {
    ...gatedDims({ vocab: 32_000, hidden: 4096, ffn: 14_336, layers: 32, heads: 32, kvHeads: 8 }),
    head_dim: size('head_dim'),
  },
  settings: {
    ...mistral.settings,
    ...ropeSettings(rope),
    window,
    layerTypes: {
      keys: ['layer_types', 'sliding_window', 'num_hidden_layers'],
      read: (config) => layerTypesOf(config, () => hasWindow(config)),
    },
  },
  remapLayers(config, sources) {
    const list = config['layer_types'];
    return Array.isArray(list) ? { layer_types: sources.map((source) => list[source]!) } : {};
  },
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    assertLayerTypesSupported(config);
    assertWindowUsed(config, hasWindow);
  },
};
