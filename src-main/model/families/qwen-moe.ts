/** @file What Qwen 2 MoE and Qwen 3 MoE share: experts and router settings. */
import type { JsonObject } from '../../base/json.ts';
import { setting } from '../config-fields.ts';
import type { ModelFamily } from '../family.ts';
import { linear } from '../tensor-specs.ts';

export const mlp = 'model.layers.{layer}.mlp';

export const routingSettings: ModelFamily['settings'] = {
  expertsPerToken: setting('num_experts_per_tok', 8),
  normTopkProb: setting('norm_topk_prob', false),
  auxLossCoef: setting('router_aux_loss_coef', 0.001),
};

export const expertTensors: ModelFamily['tensors'] = {
  [`${mlp}.gate.weight`]: linear('experts <- hidden'),
  [`${mlp}.experts.{expert}.gate_proj.weight`]: linear('ffn <- hidden'),
  [`${mlp}.experts.{expert}.up_proj.weight`]: linear('ffn <- hidden'),
  [`${mlp}.experts.{expert}.down_proj.weight`]: linear('hidden <- ffn'),
};

/** `Mixture.copiedFrom` for an expert with this prefix. */
export const mlpCopies = (expert: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    ['gate', 'up', 'down'].map((name) => [`${expert}.${name}_proj.weight`, `${mlp}.${name}_proj.weight`]),
  );

/** The config keys of a router that a dense model lacks. */
export const routerConfig = (normTopkProb: boolean): JsonObject => ({
  norm_topk_prob: normTopkProb,
  decoder_sparse_step: 1,
  mlp_only_layers: [],
  output_router_logits: false,
});
