/**
 * @file Qwen 2 MoE: Qwen 2 with experts in place of every MLP, and a shared expert that every token uses. Must
 * agree with modeling_qwen2_moe.py.
 */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { sigmoid } from '../../graph/ops/build.ts';
import { derived, setting, size } from '../config-fields.ts';
import type { ModelFamily, Upcycling } from '../family.ts';
import { add, mapValue, mul, unbind } from '../named-value.ts';
import { linear } from '../tensor-specs.ts';
import * as moe from './experts.ts';
import { gatedDecoder, gatedDims, gatedMlp } from './gated-decoder.ts';
import { layerTypesOf } from './layer-types.ts';
import * as qwenMoe from './qwen-moe.ts';
import { qwen2 } from './qwen.ts';
import { hasWindow, windowField } from './windows.ts';

const shared = `${qwenMoe.mlp}.shared_expert`;

/** Without a list, every other layer below `max_window_layers` uses the window. */
const layerTypes = (config: JsonObject): readonly string[] =>
  layerTypesOf(
    config,
    (layer) => hasWindow(config) && layer % 2 === 0 && layer < Number(config['max_window_layers'] ?? 28),
  );

const upcycling: Upcycling = {
  denseFamilies: ['qwen2'],
  copiedFrom: { ...qwenMoe.mlpCopies(`${qwenMoe.mlp}.experts.{expert}`), ...qwenMoe.mlpCopies(shared) },
  zeroOutput: [`${shared}.down_proj.weight`],
  dims: (dense) => ({ shared: 1, shared_ffn: dense['ffn']! }),
  config: (config, settings, normTopkProb) => ({
    ...moe.withExplicitDefaults(config, settings),
    layer_types: settings['layerTypes'] as readonly string[],
    ...qwenMoe.routerConfig(normTopkProb),
  }),
};

export const qwen2Moe: ModelFamily = {
  ...qwen2,
  id: 'qwen2-moe',
  title: 'Qwen 2 MoE',
  releases: [],
  modelTypes: ['qwen2_moe'],
  architecture: 'Qwen2MoeForCausalLM',
  dims: {
    ...gatedDims({ vocab: 151_936, hidden: 2048, ffn: 5632, layers: 24, heads: 16, kvHeads: 16 }),
    ffn: size('moe_intermediate_size', { default: 1408 }),
    experts: size('num_experts', { default: 60 }),
    shared: derived(() => 1),
    shared_ffn: size('shared_expert_intermediate_size', { default: 5632 }),
  },
  settings: {
    ...qwen2.settings,
    ...qwenMoe.routingSettings,
    expertsPerToken: setting('num_experts_per_tok', 4),
    window: windowField,
    layerTypes: { keys: ['layer_types', 'max_window_layers', 'num_hidden_layers'], read: layerTypes },
  },
  frozen: { ...qwen2.frozen, experts: moe.frozenExperts, shared: 'the shared expert has one gate' },
  tensors: moe.withExperts(qwen2.tensors, {
    ...qwenMoe.expertTensors,
    [`${shared}.gate_proj.weight`]: linear('shared_ffn <- hidden'),
    [`${shared}.up_proj.weight`]: linear('shared_ffn <- hidden'),
    [`${shared}.down_proj.weight`]: linear('hidden <- shared_ffn'),
    [`${shared}_gate.weight`]: linear('shared <- hidden'),
  }),
  mixture: { hasNormTopkProb: true, upcycling },
  remapLayers: (config, sources) => {
    if (!hasWindow(config) && config['layer_types'] === undefined) return {};
    const types = layerTypes(config);
    return { layer_types: sources.map((source) => types[source]!) };
  },
  floatKeys: moe.floatKeys,
  assertSupported(config) {
    qwen2.assertSupported(config);
    if (config['qkv_bias'] === false)
      refuse('checkpoint/unsupported', {
        what: 'qkv_bias false',
        why: 'queries, keys and values of this family have biases',
      });
    moe.assertRoutingSupported(config, qwen2Moe);
  },
  forward: (m, tokens) =>
    gatedDecoder(m, tokens, {
      feedForward: (x, layer) => {
        const gates = mapValue(sigmoid, m.linear(x, `${layer}.mlp.shared_expert_gate`));
        const [gate] = unbind(gates, 'shared');
        const routed = moe.mixtureOfExperts(m, x, `${layer}.mlp`);
        return add(routed, mul(gatedMlp(m, x, `${layer}.mlp.shared_expert`), gate!));
      },
    }),
};
