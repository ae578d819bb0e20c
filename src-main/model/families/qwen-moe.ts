/**
 * @file Qwen 2 MoE and Qwen 3 MoE: Qwen whose every layer has experts instead of an MLP, in Qwen 2 beside one
 * that every token passes. Agrees with transformers' modeling_qwen2_moe.py and modeling_qwen3_moe.py.
 */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { sigmoid } from '../../graph/ops/build.ts';
import { derived, linear, setting, size, without, type Mixture, type ModelFamily } from '../family.ts';
import { add, mapValue, mul, unbind } from '../named.ts';
import { refuseRope } from '../rope.ts';
import { expertCount, fractions, mixtureOf, refuseRouting, said, withExperts } from './experts.ts';
import { gatedDecoder, gatedMlp, sharedHeads } from './llama.ts';
import { qwen2, qwen3 } from './qwen.ts';

const mlp = 'model.layers.{layer}.mlp';
const expert = `${mlp}.experts.{expert}`;
const shared = `${mlp}.shared_expert`;
const full = 'full_attention';
const sliding = 'sliding_attention';
const slides = (config: JsonObject): boolean =>
  config['use_sliding_window'] === true && typeof config['sliding_window'] === 'number';

const routing: ModelFamily['settings'] = {
  expertsPerToken: setting('num_experts_per_tok', 8),
  normTopkProb: setting('norm_topk_prob', false),
  auxLossCoef: setting('router_aux_loss_coef', 0.001),
};
const experts: ModelFamily['tensors'] = {
  [`${mlp}.gate.weight`]: linear('experts <- hidden'),
  [`${expert}.gate_proj.weight`]: linear('ffn <- hidden'),
  [`${expert}.up_proj.weight`]: linear('ffn <- hidden'),
  [`${expert}.down_proj.weight`]: linear('hidden <- ffn'),
};
const copies = (of: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    ['gate', 'up', 'down'].map((name) => [`${of}.${name}_proj.weight`, `${mlp}.${name}_proj.weight`]),
  );
const frozen: ModelFamily['frozen'] = {
  ...qwen2.frozen,
  experts: 'a mixture keeps its experts; they are made from a dense model, by the method "upcycle"',
};
const router = (sums: boolean): JsonObject => ({
  norm_topk_prob: sums,
  decoder_sparse_step: 1,
  mlp_only_layers: [],
  output_router_logits: false,
});

/**
 * What each layer of Qwen 2 MoE sees: as listed, or every other of the layers below `max_window_layers` a
 * window.
 */
const layerTypes = (config: JsonObject): readonly string[] =>
  Array.isArray(config['layer_types'])
    ? config['layer_types'].map(String)
    : Array.from({ length: Number(config['num_hidden_layers']) }, (_, layer) =>
        slides(config) && layer % 2 === 0 && layer < Number(config['max_window_layers'] ?? 28)
          ? sliding
          : full,
      );

export const qwen2Moe: ModelFamily = {
  ...qwen2,
  id: 'qwen2-moe',
  title: 'Qwen 2 MoE',
  modelTypes: ['qwen2_moe'],
  architecture: 'Qwen2MoeForCausalLM',
  dims: {
    ...qwen2.dims,
    ...sharedHeads(16),
    ffn: size('moe_intermediate_size', () => 1408),
    experts: expertCount('num_experts', 60),
    shared: derived(() => 1),
    shared_ffn: size('shared_expert_intermediate_size', () => 5632),
  },
  settings: {
    ...qwen2.settings,
    ...routing,
    expertsPerToken: setting('num_experts_per_tok', 4),
    window: {
      keys: ['sliding_window', 'use_sliding_window'],
      read: (c) => (slides(c) ? Number(c['sliding_window']) : null),
    },
    layerTypes: { keys: ['layer_types', 'max_window_layers', 'num_hidden_layers'], read: layerTypes },
  },
  frozen: { ...frozen, shared: 'one gate belongs to one shared expert' },
  tensors: withExperts(qwen2.tensors, {
    ...experts,
    [`${shared}.gate_proj.weight`]: linear('shared_ffn <- hidden'),
    [`${shared}.up_proj.weight`]: linear('shared_ffn <- hidden'),
    [`${shared}.down_proj.weight`]: linear('hidden <- shared_ffn'),
    [`${shared}_gate.weight`]: linear('shared <- hidden'),
  }),
  mixture: {
    denseFamilies: ['qwen2'],
    copiedFrom: { ...copies(expert), ...copies(shared) },
    zeroOutput: [`${shared}.down_proj.weight`],
    hasNormTopkProb: true,
    dims: (dense) => ({ shared: 1, shared_ffn: dense['ffn']! }),
    config: (config, settings, sums) => ({
      ...said(config, settings),
      layer_types: settings['layerTypes'] as readonly string[],
      ...router(sums),
    }),
  },
  remapLayers: (config, sources) =>
    slides(config) || config['layer_types'] !== undefined
      ? { layer_types: sources.map((source) => layerTypes(config)[source]!) }
      : {},
  floatKeys: fractions,
  assertSupported(config) {
    qwen2.assertSupported(config);
    if (config['qkv_bias'] === false)
      refuse('checkpoint/unsupported', {
        what: 'qkv_bias false',
        why: 'this family is read with biases on queries, keys and values',
      });
    refuseRouting(
      config,
      Number(config['num_local_experts'] ?? config['num_experts'] ?? 60),
      Number(config['num_experts_per_tok'] ?? 4),
    );
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, undefined, (_, x, layer) => {
      const [gate] = unbind(mapValue(sigmoid, m.linear(x, `${layer}.mlp.shared_expert_gate`)), 'shared');
      return add(mixtureOf(m, x, `${layer}.mlp`), mul(gatedMlp(m, x, `${layer}.mlp.shared_expert`), gate!));
    }),
};

/** Every layer of this family sees the window, or none does. */
const config: Mixture['config'] = (dense, settings, sums) => {
  const types = settings['layerTypes'] as readonly string[];
  const window = typeof settings['window'] === 'number' && types.includes(sliding);
  if (window && types.includes(full))
    refuse('growth/no-mixture', {
      family: 'a model whose layers see windows in part',
      known: ['those that all see a window or all see everything'],
    });
  return {
    ...without(said(dense, settings), 'layer_types', 'max_window_layers', 'mlp_bias'),
    use_sliding_window: window,
    sliding_window: window ? (settings['window'] as number) : null,
    attention_bias: settings['attentionBias'] === true,
    ...router(sums),
  };
};

export const qwen3Moe: ModelFamily = {
  ...qwen3,
  id: 'qwen3-moe',
  title: 'Qwen 3 MoE',
  modelTypes: ['qwen3_moe'],
  architecture: 'Qwen3MoeForCausalLM',
  dims: {
    ...qwen3.dims,
    ...sharedHeads(4),
    head_dim: size('head_dim', (d) => d['hidden']! / (d['kv_heads']! * d['group']!)),
    ffn: size('moe_intermediate_size', () => 768),
    experts: expertCount('num_experts', 128),
  },
  settings: {
    ...without(qwen3.settings, 'layerTypes'),
    ...routing,
    window: {
      keys: ['sliding_window', 'use_sliding_window'],
      read: (c) => (slides(c) ? Number(c['sliding_window']) : null),
    },
  },
  frozen,
  tensors: withExperts(qwen3.tensors, experts),
  mixture: { denseFamilies: ['qwen3'], copiedFrom: copies(expert), hasNormTopkProb: true, config },
  remapLayers: () => ({}),
  floatKeys: fractions,
  assertSupported(c) {
    refuseRope(c);
    refuseRouting(
      c,
      Number(c['num_local_experts'] ?? c['num_experts'] ?? 128),
      Number(c['num_experts_per_tok'] ?? 8),
    );
  },
  forward: (m, tokens) =>
    gatedDecoder(
      m,
      tokens,
      (x, name) => m.norm(x, `${name}_norm`),
      (_, x, layer) => mixtureOf(m, x, `${layer}.mlp`),
    ),
};
