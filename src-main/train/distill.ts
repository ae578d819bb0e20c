/** @file Distillation from the frozen source model (Hinton et al. 2015). */
import {
  add,
  cast,
  exp,
  input,
  logSoftmax,
  mean,
  mul,
  slice,
  sub,
  sum,
  type Value,
} from '../graph/ops/build.ts';
import type { Bucket } from './state.ts';

/** Name of the input that holds a bucket of the frozen source's weights. */
export const sourceName = (bucket: Bucket): string => `source/weights/${bucket.index}`;

/** The weight of the divergence in the loss, as an input of the graph. */
export const distillScalar = (): Value => input('distill', 'float32', []);

/**
 * T² · KL(source ‖ model) in nats, averaged over rows, of logits [rows, vocab] at temperature T. T² keeps the
 * gradient's size. A model with a larger vocabulary is compared on the source's tokens.
 */
export function divergence(logits: Value, source: Value, temperature: number): Value {
  const vocab = source.shape[1]!;
  const shared = logits.shape[1] === vocab ? logits : slice(logits, 1, 0, vocab);
  const logProbabilities = (x: Value): Value => logSoftmax(mul(cast(x, 'float32'), 1 / temperature), 1);
  const teacher = logProbabilities(source);
  const perRow = sum(mul(exp(teacher), sub(teacher, logProbabilities(shared))), [1]);
  return mul(mean(perRow), temperature * temperature);
}

/** (1 - weight) · loss + weight · kl. */
export const blendLosses = (loss: Value, kl: Value, weight: Value): Value =>
  add(mul(loss, sub(1, weight)), mul(kl, weight));

/** The weight of the divergence at `step` (from 1) of `steps`: from `first` linearly to 0. */
export const distillWeightAt = (first: number, step: number, steps: number): number =>
  Math.max(0, first * (1 - (step - 1) / Math.max(1, steps)));
