/**
 * @file What families of mixtures of experts share: their lines, their router and what a token reads of its
 * experts.
 */
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { routingWeights } from '../../graph/ops/build.ts';
import type { ModelFamily, Settings, SizeField } from '../family.ts';
import type { Reader } from '../layers.ts';
import { add, mapValue, mul, unbind, type NamedValue } from '../named.ts';
import { gatedMlp, type MlpNames } from './llama.ts';

/** A dense table with `own` lines where it has those of its MLP. */
export const withExperts = (
  dense: ModelFamily['tensors'],
  own: ModelFamily['tensors'],
): ModelFamily['tensors'] =>
  Object.fromEntries(
    Object.entries(dense).flatMap(([name, line]) =>
      name.includes('.mlp.gate_proj.weight')
        ? Object.entries(own)
        : name.includes('.mlp.')
          ? []
          : [[name, line]],
    ),
  );

/** Numbers that transformers takes with a fraction only. */
export const fractions: readonly string[] = ['router_aux_loss_coef', 'router_jitter_noise'];

/** The number of experts, under either of the names that transformers gives it. */
export const expertCount = (written: string, otherwise: number): SizeField => ({
  keys: ['num_experts', 'num_local_experts'],
  read: (c) => c['num_local_experts'] ?? c['num_experts'],
  fallback: () => otherwise,
  write: (d) => ({ [written]: d['experts']! }),
});

/**
 * Every token reads the experts that its router rates highest, each as much as it rates it: all experts are
 * worked out for all tokens, and what a token does not read has weight
 * zero, so that shapes are known when the graph is built and gradients are those of the chosen experts alone.
 */
export function mixtureOf(m: Reader, x: NamedValue, at: string, names?: MlpNames): NamedValue {
  const ratings = m.linear(x, `${at}.gate`);
  const weights = mapValue(
    (logits) => routingWeights(logits, Number(m.settings['expertsPerToken']), m.settings['normTopkProb'] === true),
    ratings,
  );
  m.routed(ratings.value);
  return unbind(weights, 'experts')
    .map((weight, expert) => mul(gatedMlp(m, x, `${at}.experts.${expert}`, names), weight))
    .reduce(add);
}

/** Refuses a router that would choose more experts than there are. */
export function refuseRouting(config: JsonObject, experts: number, active: number): void {
  if (!Number.isInteger(active) || active < 1 || active > experts)
    refuse('checkpoint/unsupported', {
      what: `num_experts_per_tok ${active}`,
      why: `there are ${experts} experts`,
    });
  if (Array.isArray(config['mlp_only_layers']) && config['mlp_only_layers'].length > 0)
    refuse('checkpoint/unsupported', {
      what: 'mlp_only_layers',
      why: 'all layers of a mixture must have experts here',
    });
  const step = config['decoder_sparse_step'];
  if (step !== undefined && step !== null && step !== 1)
    refuse('checkpoint/unsupported', {
      what: `decoder_sparse_step ${JSON.stringify(step)}`,
      why: 'all layers of a mixture must have experts here',
    });
}

/**
 * `config` with what `dense` leaves to its family's defaults said in full, because another family's defaults
 * are others.
 */
export const said = (config: JsonObject, dense: Settings): JsonObject => ({
  rms_norm_eps: dense['eps']!,
  hidden_act: dense['activation']!,
  tie_word_embeddings: dense['tied']!,
  initializer_range: dense['std']!,
  max_position_embeddings: dense['positions']!,
  ...(config['rope_parameters'] ? {} : { rope_theta: dense['ropeTheta']! }),
  ...config,
});
