/** @file SmolLM 3: Llama with layers that have no positions. Must agree with transformers' modeling_smollm3.py. */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { setting } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { gatedDecoder, gatedDims } from './gated-decoder.ts';
import { assertLayerTypesSupported, assertOnePerLayer, layerTypesOf } from './layer-types.ts';
import { llama } from './llama.ts';
import { assertWindowUsed, hasWindow, windowField } from './windows.ts';

const rope: RopeSpec = { theta: 2e6, positions: 32_768, hasLayerTypes: true };

/** Whether each layer rotates queries and keys, as 1 or 0: `no_rope_layers`, which says the opposite of its name. */
function rotatedLayers(config: JsonObject): readonly number[] {
  const key = 'no_rope_layers';
  const list = config[key] ?? undefined;
  if (Array.isArray(list)) return list.map(Number);
  if (list !== undefined)
    refuse('checkpoint/bad-config', { path: 'config.json', key, why: 'is not a list of numbers' });
  const interval = Number(config['no_rope_layer_interval'] ?? 4);
  return Array.from({ length: Number(config['num_hidden_layers']) }, (_, i) => ((i + 1) % interval ? 1 : 0));
}

/** Without a list, only layers without positions use the window. */
const layerTypes = (config: JsonObject): readonly string[] =>
  layerTypesOf(config, (layer) => hasWindow(config) && rotatedLayers(config)[layer] === 0);

export const smollm3: ModelFamily = {
  ...llama,
  id: 'smollm3',
  title: 'SmolLM 3',
  releases: [groupedRelease('SmolLM 3 3B', [2048, 11_008, 36, 16, 4])],
  modelTypes: ['smollm3'],
  architecture: 'SmolLM3ForCausalLM',
  dims: gatedDims({
    vocab: 128_256,
    hidden: 2048,
    ffn: 11_008,
    layers: 36,
    heads: 16,
    kvHeads: 4,
    kvHeadsMayBeNull: true,
  }),
  settings: {
    ...llama.settings,
    tied: setting('tie_word_embeddings', true),
    positions: setting('max_position_embeddings', 32_768),
    ...ropeSettings(rope),
    window: windowField,
    layerTypes: { keys: ['layer_types', 'no_rope_layers', 'num_hidden_layers'], read: layerTypes },
    rotatedLayers: { keys: ['no_rope_layers', 'no_rope_layer_interval'], read: rotatedLayers },
  },
  constraints: [],
  remapLayers(config, sources) {
    const rotated = rotatedLayers(config);
    const types = layerTypes(config);
    return {
      no_rope_layers: sources.map((source) => rotated[source]!),
      layer_types: sources.map((source) => types[source]!),
    };
  },
  rope,
  assertSupported(config) {
    assertRopeSupported(config, rope);
    assertLayerTypesSupported(config);
    assertOnePerLayer(config, 'no_rope_layers');
    assertWindowUsed(config);
  },
  forward(m, tokens) {
    const rotated = m.settings['rotatedLayers'] as readonly number[];
    return gatedDecoder(m, tokens, { rotate: (x, _, layer) => (rotated[layer] ? m.rotary(x) : x) });
  },
};
