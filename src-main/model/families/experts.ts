/** @file What the mixture-of-experts families share: their tables, router and forward pass. */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { routingWeights } from '../../graph/ops/build.ts';
import type { ModelBuilder } from '../builder-types.ts';
import { withOwnNames } from '../config.ts';
import type { ModelFamily } from '../family.ts';
import { add, mapValue, mul, unbind, type NamedValue } from '../named-value.ts';
import type { Settings } from '../settings.ts';
import { gatedMlp, type MlpNames } from './gated-decoder.ts';

/** The table of a dense family with `experts` in place of its MLP. */
export const withExperts = (
  dense: ModelFamily['tensors'],
  experts: ModelFamily['tensors'],
): ModelFamily['tensors'] =>
  Object.fromEntries(
    Object.entries(dense).flatMap(([key, spec]) => {
      if (key.includes('.mlp.gate_proj.weight')) return Object.entries(experts);
      return key.includes('.mlp.') ? [] : [[key, spec]];
    }),
  );

/** Config keys that transformers validates as floats. */
export const floatKeys: readonly string[] = ['router_aux_loss_coef', 'router_jitter_noise'];

/** The reason why the number of experts cannot grow. */
export const frozenExperts =
  'a mixture gets its experts when it is made from a dense model, with the method "upcycle"';

/**
 * A mixture-of-experts layer named `layer`, such as `model.layers.0.mlp`. Every expert runs on every token,
 * and experts that the router does not choose get weight zero. Shapes are therefore known when the graph is
 * built, and gradients reach only the chosen experts.
 */
export function mixtureOfExperts(
  m: ModelBuilder,
  x: NamedValue,
  layer: string,
  names?: MlpNames,
): NamedValue {
  const topK = Number(m.settings['expertsPerToken']);
  const normTopkProb = m.settings['normTopkProb'] === true;
  const logits = m.linear(x, `${layer}.gate`);
  const weights = mapValue((v) => routingWeights(v, topK, normTopkProb), logits);
  m.onRouterLogits(logits.value);
  return unbind(weights, 'experts')
    .map((weight, expert) => mul(gatedMlp(m, x, `${layer}.experts.${expert}`, names), weight))
    .reduce(add);
}

/** Refuses routers that choose more experts than there are, and models with dense layers among sparse ones. */
export function assertRoutingSupported(config: JsonObject, family: ModelFamily): void {
  const experts = Number(family.dims['experts']!.read(withOwnNames(family, config), {}));
  const expertsPerToken = Number(family.settings['expertsPerToken']!.read(config));
  const noDenseLayers = 'every layer of a mixture must have experts';
  if (!Number.isInteger(expertsPerToken) || expertsPerToken < 1 || expertsPerToken > experts)
    refuse('checkpoint/unsupported', {
      what: `num_experts_per_tok ${expertsPerToken}`,
      why: `there are ${experts} experts`,
    });
  if (Array.isArray(config['mlp_only_layers']) && config['mlp_only_layers'].length > 0)
    refuse('checkpoint/unsupported', { what: 'mlp_only_layers', why: noDenseLayers });
  const step = config['decoder_sparse_step'];
  if (step !== undefined && step !== null && step !== 1)
    refuse('checkpoint/unsupported', {
      what: `decoder_sparse_step ${JSON.stringify(step)}`,
      why: noDenseLayers,
    });
}

/**
 * The config of a dense model with the default values of its family written out, because another family has
 * different defaults.
 */
export const withExplicitDefaults = (config: JsonObject, dense: Settings): JsonObject => ({
  rms_norm_eps: dense['eps']!,
  hidden_act: dense['activation']!,
  tie_word_embeddings: dense['tied']!,
  initializer_range: dense['std']!,
  max_position_embeddings: dense['positions']!,
  ...(config['rope_parameters'] ? {} : { rope_theta: dense['ropeTheta']! }),
  ...config,
});
