/** @file AdamW and the global norm clip, in the graph, over flat buckets. */
import { add, div, input, min, mul, sqrt, sub, sum, square, type Value } from '../graph/build.ts';
import { stateName, type Bucket, type StatePart } from './state.ts';

export interface AdamSettings { readonly beta1: number; readonly beta2: number; readonly eps: number; readonly decay: number }

/** Host scalars that change from step to step, under the names of the step graph's inputs. */
export interface StepScalars {
  readonly lr: Value;
  /** Largest global norm; a huge number for no clipping. */
  readonly clip: Value;
  /** 1 - beta1^t and sqrt(1 - beta2^t). */
  readonly correction1: Value;
  readonly correction2: Value;
}
export const stepScalars = (): StepScalars => ({
  lr: input('lr', 'float32', []), clip: input('clip', 'float32', []), correction1: input('correction1', 'float32', []), correction2: input('correction2', 'float32', []),
});

/** Global L2 norm of flat gradients. */
export const globalNorm = (gradients: readonly Value[]): Value => sqrt(gradients.map((g) => sum(square(g))).reduce((a, b) => add(a, b)));

/** min(1, clip / (norm + 1e-6)): torch.nn.utils.clip_grad_norm_. Every update multiplies by it, so every read of the state in the backward pass comes before the first write. */
export const clipFactor = (norm: Value, clip: Value): Value => min(div(clip, add(norm, 1e-6)), 1);

/**
 * Decoupled weight decay and Adam (Loshchilov and Hutter 2019; torch.optim.AdamW), arranged so that scalars meet before they meet the state:
 * m' = β1 m + (1-β1) c g; v' = β2 v + (1-β2) c² g²; p' = (1 - lr·decay) p - lr √b2/b1 · m' / (√v' + eps √b2), with b = 1 - β^t.
 */
export function adamw(bucket: Bucket, state: (part: StatePart) => Value, gradient: Value, factor: Value, s: AdamSettings, { lr, correction1, correction2 }: StepScalars): Readonly<Record<string, Value>> {
  const rate = mul(lr, bucket.rate);
  const mean = add(mul(state('mean'), s.beta1), mul(gradient, mul(factor, 1 - s.beta1)));
  const squares = add(mul(state('square'), s.beta2), mul(square(gradient), mul(square(factor), 1 - s.beta2)));
  const move = div(mul(mean, mul(rate, div(correction2, correction1))), add(sqrt(squares), mul(correction2, s.eps)));
  const weights = state('weights');
  const kept = bucket.decays && s.decay > 0 ? mul(weights, sub(1, mul(rate, s.decay / bucket.rate))) : weights;
  return { [stateName('weights', bucket)]: sub(kept, move), [stateName('mean', bucket)]: mean, [stateName('square', bucket)]: squares };
}
