/**
 * @file Qwen 2, 2.5 and 3: Llama with biases on q, k, v, or with norms over each head's queries and keys; the
 * last layers may see a window. Agrees with transformers' modeling_qwen2.py and modeling_qwen3.py.
 */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { outputGain, setting, size, without, type ModelFamily } from '../family.ts';
import { refuseRope } from '../rope.ts';
import { gatedDecoder, llama, sharedHeads, withBiases } from './llama.ts';

const full = 'full_attention';
const sliding = 'sliding_attention';
const windowed = (config: JsonObject): boolean =>
  config['use_sliding_window'] === true && config['sliding_window'] !== null;
const fullLayers = (config: JsonObject): number => Number(config['max_window_layers'] ?? 28);

/** What each layer sees: as listed, or the layers from `max_window_layers` on a window. */
function layerTypes(config: JsonObject): readonly string[] {
  const list = config['layer_types'];
  if (Array.isArray(list)) return list.map(String);
  return Array.from({ length: Number(config['num_hidden_layers']) }, (_, layer) =>
    windowed(config) && layer >= fullLayers(config) ? sliding : full,
  );
}

/** A layer keeps what its source saw; the list is written out wherever the rule could no longer say it. */
function perLayer(config: JsonObject, sources: readonly number[]): JsonObject {
  const types = layerTypes(config);
  if (!windowed(config) && config['layer_types'] === undefined) return {};
  const list = sources.map((source) => types[source]!);
  const first = list.indexOf(sliding);
  return {
    layer_types: list,
    ...(config['max_window_layers'] === undefined
      ? {}
      : { max_window_layers: first === -1 ? list.length : first }),
  };
}

function refuses(config: JsonObject): void {
  refuseRope(config);
  if (!Array.isArray(config['layer_types'])) return;
  const types = layerTypes(config);
  const other = types.find((type) => type !== full && type !== sliding);
  const no = (why: string): never => refuse('checkpoint/unsupported', { what: 'layer_types', why });
  if (other !== undefined) no(`"${other}" is not a kind of attention that this family has`);
  if (types.length !== config['num_hidden_layers'])
    no(`it lists ${types.length} layers, but there are ${String(config['num_hidden_layers'])}`);
  if (types.includes(sliding) && !windowed(config))
    no('it says sliding_attention, but use_sliding_window is false');
}

const settings: ModelFamily['settings'] = {
  ...llama.settings,
  positions: setting('max_position_embeddings', 32_768),
  window: {
    keys: ['sliding_window', 'use_sliding_window'],
    read: (c) => (windowed(c) ? Number(c['sliding_window'] ?? 4096) : null),
  },
  layerTypes: { keys: ['layer_types', 'max_window_layers', 'num_hidden_layers'], read: layerTypes },
};

export const qwen2: ModelFamily = {
  ...llama,
  id: 'qwen2',
  title: 'Qwen 2',
  modelTypes: ['qwen2'],
  architecture: 'Qwen2ForCausalLM',
  dims: { ...llama.dims, ...sharedHeads(32) },
  settings: without(settings, 'attentionBias', 'mlpBias'),
  constraints: [],
  tensors: withBiases(/\.[qkv]_proj\./),
  remapLayers: perLayer,
  assertSupported: refuses,
};

export const qwen3: ModelFamily = {
  ...llama,
  id: 'qwen3',
  title: 'Qwen 3',
  modelTypes: ['qwen3'],
  architecture: 'Qwen3ForCausalLM',
  dims: { ...llama.dims, ...sharedHeads(32), head_dim: size('head_dim', () => 128) },
  settings: without(settings, 'mlpBias'),
  scores: { ...llama.scores, between: ['self_attn.q_norm', 'self_attn.k_norm'] },
  constraints: [],
  tensors: {
    ...without(
      llama.tensors,
      ...['gate', 'up', 'down'].map((name) => `model.layers.{layer}.mlp.${name}_proj.bias`),
    ),
    'model.layers.{layer}.self_attn.q_norm.weight': outputGain(
      'model.layers.{layer}.self_attn.q_proj.weight',
      'head_dim',
    ),
    'model.layers.{layer}.self_attn.k_norm.weight': outputGain(
      'model.layers.{layer}.self_attn.k_proj.weight',
      'head_dim',
    ),
  },
  remapLayers: perLayer,
  assertSupported: refuses,
  forward: (m, tokens) => gatedDecoder(m, tokens, (x, name) => m.norm(x, `${name}_norm`)),
};
