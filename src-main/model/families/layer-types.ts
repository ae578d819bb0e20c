/** @file `layer_types` of config.json: which layers attend to a sliding window and which to everything. */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import type { ModelFamily, SettingField } from '../family.ts';
import { fullAttention, slidingAttention } from '../layer-type-names.ts';

/** The attention type of each layer: `layer_types`, or the family's rule if config.json has no list. */
export function layerTypesOf(config: JsonObject, slides: (layer: number) => boolean): readonly string[] {
  const list = config['layer_types'];
  if (Array.isArray(list)) return list.map(String);
  return Array.from({ length: Number(config['num_hidden_layers']) }, (_, layer) =>
    slides(layer) ? slidingAttention : fullAttention,
  );
}

/** Refuses unknown attention types, and lists whose length is not the number of layers. */
export function assertLayerTypesSupported(config: JsonObject): void {
  const list = config['layer_types'];
  if (!Array.isArray(list)) return;
  const unsupported = (why: string): never => refuse('checkpoint/unsupported', { what: 'layer_types', why });
  const unknown = list.find((type) => type !== slidingAttention && type !== fullAttention);
  if (unknown !== undefined) unsupported(`this family has no attention type ${JSON.stringify(unknown)}`);
  assertOnePerLayer(config, 'layer_types');
}

/** Refuses a list whose length is not the number of layers. */
export function assertOnePerLayer(config: JsonObject, key: string): void {
  const list = config[key];
  const layers = config['num_hidden_layers'];
  if (!Array.isArray(list) || list.length === layers) return;
  refuse('checkpoint/unsupported', {
    what: key,
    why: `it lists ${list.length} layers, but there are ${JSON.stringify(layers)}`,
  });
}

/** The setting `layerTypes` and its `remapLayers`, where every `period`-th layer attends to everything. */
export const periodicLayerTypes = (
  periodOf: (config: JsonObject) => number,
): {
  readonly setting: SettingField;
  readonly remapLayers: NonNullable<ModelFamily['remapLayers']>;
} => {
  const typesOf = (config: JsonObject): readonly string[] =>
    layerTypesOf(config, (layer) => (layer + 1) % periodOf(config) > 0);
  return {
    setting: { keys: ['layer_types'], read: typesOf },
    remapLayers: (config, sources) => {
      const types = typesOf(config);
      return { layer_types: sources.map((source) => types[source]!) };
    },
  };
};
