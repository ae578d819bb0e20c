/**
 * @file Learning from the frozen source: how far the model's distribution over the next token lies from that
 * of the model it was grown from.
 */
import {
  add,
  cast,
  input,
  logSoftmax,
  exp,
  mean,
  mul,
  slice,
  sub,
  sum,
  type Value,
} from '../graph/ops/build.ts';
import type { Bucket } from './state.ts';

/** A frozen model beside the trained one; its buckets' inputs carry `source/` before their names. */
export const sourceName = (bucket: Bucket): string => `source/weights/${bucket.index}`;

/**
 * Scalars of distillation: `distill` is the weight of the divergence beside that of the loss, which is 1 -
 * `distill`.
 */
export const distillScalar = (): Value => input('distill', 'float32', []);

/**
 * T² · KL(source ‖ model) in nats, the mean over rows, of logits [rows, vocab] at temperature T (Hinton et
 * al. 2015: T² keeps the gradient's size).
 * A model whose vocabulary has grown is compared on the source's.
 */
export function divergence(logits: Value, source: Value, temperature: number): Value {
  const known = source.shape[1]!;
  const own = logits.shape[1] === known ? logits : slice(logits, 1, 0, known);
  const soft = (x: Value): Value => logSoftmax(mul(cast(x, 'float32'), 1 / temperature), 1);
  const theirs = soft(source);
  return mul(mean(sum(mul(exp(theirs), sub(theirs, soft(own))), [1])), temperature * temperature);
}

/** The loss whose gradient is followed. */
export const blended = (loss: Value, kl: Value, share: Value): Value =>
  add(mul(loss, sub(1, share)), mul(kl, share));

/** The weight of the divergence at `step` (from 1) of `steps`: from `first` linearly to nothing. */
export const distillShare = (first: number, step: number, steps: number): number =>
  Math.max(0, first * (1 - (step - 1) / Math.max(1, steps)));
