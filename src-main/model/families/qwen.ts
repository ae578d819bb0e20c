/**
 * @file Qwen 2, 2.5 and 3: Llama with biases on q, k and v (2) or with norms on queries and keys (3). Must agree
 * with modeling_qwen2.py and modeling_qwen3.py.
 */
import type { JsonObject } from '../../base/json.ts';
import { setting, size } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { groupedRelease } from '../releases.ts';
import { assertRopeSupported, ropeSettings } from '../rope-config.ts';
import type { RopeSpec } from '../rope-spec.ts';
import { outputGain, without } from '../tensor-specs.ts';
import { gatedDecoder, gatedDims, type GatedDefaults } from './gated-decoder.ts';
import { slidingAttention } from '../layer-type-names.ts';
import { assertLayerTypesSupported, layerTypesOf } from './layer-types.ts';
import { llama, withBiases } from './llama.ts';
import { assertWindowUsed } from './windows.ts';

const rope: RopeSpec = { positions: 32_768, hasLayerTypes: true };

const hasWindow = (config: JsonObject): boolean =>
  config['use_sliding_window'] === true && config['sliding_window'] !== null;

/** Without a list, layers from `max_window_layers` on use the window. */
const qwenLayerTypes = (config: JsonObject): readonly string[] =>
  layerTypesOf(config, (layer) => hasWindow(config) && layer >= Number(config['max_window_layers'] ?? 28));

/** Writes `layer_types` as a list, because `max_window_layers` may no longer describe the new layers. */
function remapLayers(config: JsonObject, sources: readonly number[]): JsonObject {
  if (!hasWindow(config) && config['layer_types'] === undefined) return {};
  const types = qwenLayerTypes(config);
  const list = sources.map((source) => types[source]!);
  if (config['max_window_layers'] === undefined) return { layer_types: list };
  const firstSliding = list.indexOf(slidingAttention);
  return { layer_types: list, max_window_layers: firstSliding === -1 ? list.length : firstSliding };
}

function assertSupported(config: JsonObject): void {
  assertRopeSupported(config, rope);
  assertLayerTypesSupported(config);
  assertWindowUsed(config, hasWindow);
}

const settings: ModelFamily['settings'] = {
  ...llama.settings,
  positions: setting('max_position_embeddings', 32_768),
  ...ropeSettings(rope),
  window: {
    keys: ['sliding_window', 'use_sliding_window'],
    read: (config) => (hasWindow(config) ? Number(config['sliding_window'] ?? 4096) : null),
  },
  layerTypes: { keys: ['layer_types', 'max_window_layers', 'num_hidden_layers'], read: qwenLayerTypes },
};

const defaults: GatedDefaults = {
  vocab: 151_936,
  hidden: 4096,
  ffn: 22_016,
  layers: 32,
  heads: 32,
  kvHeads: 32,
  kvHeadsMayBeNull: true,
};

export const qwen2: ModelFamily = {
  ...llama,
  id: 'qwen2',
  title: 'Qwen 2',
  releases: [
    groupedRelease('Qwen 2.5 0.5B', [896, 4864, 24, 14, 2]),
    groupedRelease('Qwen 2.5 1.5B', [1536, 8960, 28, 12, 2]),
    groupedRelease('Qwen 2.5 3B', [2048, 11_008, 36, 16, 2]),
    groupedRelease('Qwen 2.5 7B', [3584, 18_944, 28, 28, 4]),
    groupedRelease('Qwen 2.5 14B', [5120, 13_824, 48, 40, 8]),
    groupedRelease('Qwen 2.5 32B', [5120, 27_648, 64, 40, 8]),
    groupedRelease('Qwen 2.5 72B', [8192, 29_568, 80, 64, 8]),
  ],
  modelTypes: ['qwen2'],
  architecture: 'Qwen2ForCausalLM',
  dims: gatedDims(defaults),
  settings: without(settings, 'attentionBias', 'mlpBias'),
  constraints: [],
  tensors: withBiases(/\.[qkv]_proj\./),
  remapLayers,
  rope,
  assertSupported,
};

const attn = 'model.layers.{layer}.self_attn';
const mlp = 'model.layers.{layer}.mlp';

export const qwen3: ModelFamily = {
  ...llama,
  id: 'qwen3',
  title: 'Qwen 3',
  releases: [
    groupedRelease('Qwen 3 0.6B', [1024, 3072, 28, 16, 8, 128]),
    groupedRelease('Qwen 3 1.7B', [2048, 6144, 28, 16, 8, 128]),
    groupedRelease('Qwen 3 4B', [2560, 9728, 36, 32, 8, 128]),
    groupedRelease('Qwen 3 8B', [4096, 12_288, 36, 32, 8, 128]),
    groupedRelease('Qwen 3 14B', [5120, 17_408, 40, 40, 8, 128]),
    groupedRelease('Qwen 3 32B', [5120, 25_600, 64, 64, 8, 128]),
  ],
  modelTypes: ['qwen3'],
  architecture: 'Qwen3ForCausalLM',
  dims: { ...gatedDims(defaults), head_dim: size('head_dim', { default: 128 }) },
  settings: without(settings, 'mlpBias'),
  scores: { ...llama.scores, between: ['self_attn.q_norm', 'self_attn.k_norm'] },
  constraints: [],
  tensors: {
    ...without(llama.tensors, `${mlp}.gate_proj.bias`, `${mlp}.up_proj.bias`, `${mlp}.down_proj.bias`),
    [`${attn}.q_norm.weight`]: outputGain(`${attn}.q_proj.weight`, 'head_dim'),
    [`${attn}.k_norm.weight`]: outputGain(`${attn}.k_proj.weight`, 'head_dim'),
  },
  remapLayers,
  rope,
  assertSupported,
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, { rotate: (x, name) => m.rotary(m.norm(x, `${name}_norm`)) }),
};
