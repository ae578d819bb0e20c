/**
 * @file Attention types of layers as repeated patterns: `attention_types` lists patterns and how often each is
 * repeated, `attention_layers` one type per layer.
 */
import type { JsonObject } from '../../base/json.ts';
import type { ModelFamily, SettingField } from '../family.ts';
import { fullAttention, slidingAttention } from '../layer-type-names.ts';
import { assertOnePerLayer } from './layer-types.ts';

type Pattern = readonly (readonly [types: readonly string[], times: number])[];

function attentionLayers(config: JsonObject): readonly string[] {
  const list = config['attention_layers'];
  if (Array.isArray(list)) return list.map(String);
  const patterns = (config['attention_types'] ?? [[['global', 'local'], 12]]) as unknown as Pattern;
  return patterns.flatMap(([types, times]) => Array.from({ length: times }, () => types).flat());
}

const setting: SettingField = {
  keys: ['attention_types', 'attention_layers'],
  read: (config) =>
    attentionLayers(config).map((type) => (type === 'local' ? slidingAttention : fullAttention)),
};

const remapLayers: NonNullable<ModelFamily['remapLayers']> = (config, sources) => {
  const types = attentionLayers(config);
  const list = sources.map((source) => types[source]!);
  return { attention_types: [[list, 1]], attention_layers: list };
};

/** The setting `layerTypes`, how it follows the layers, and the refusal of lists of another length. */
export const attentionPatterns = {
  setting,
  remapLayers,
  assertSupported(config: JsonObject): void {
    const layers = {
      num_hidden_layers: config['num_layers'] ?? 24,
      attention_types: attentionLayers(config),
    };
    assertOnePerLayer(layers, 'attention_types');
  },
} as const;
