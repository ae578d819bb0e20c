/**
 * @file From gradients to the next state: the global norm and its clip, the rule that leaves a bad step out,
 * each bucket's optimizer, the average of the weights, and what is reported of it all.
 */
import {
  add,
  and,
  div,
  input,
  less,
  max,
  min,
  mul,
  sqrt,
  sub,
  sumSquares,
  where,
  type Operand,
  type Value,
} from '../graph/ops/build.ts';
import { rules, type Hyper, type StatePart, type StepValues } from './optimizers/index.ts';
import { stateName, type Bucket } from './state.ts';

export interface UpdateSettings extends Hyper {
  /** The share of the average of the weights that stays at each step; 0 for no average. */
  readonly ema?: number;
}

/** Scalars that the host gives at each update, by the names of the graph's inputs. */
export interface HostScalars {
  readonly lr: number;
  /** Largest global norm; a huge number for no clipping. */
  readonly clip: number;
  /** 1 - beta1^t and sqrt(1 - beta2^t), t the updates so far and this one. */
  readonly correction1: number;
  readonly correction2: number;
  /** A step whose loss or norm is not below these is left out. */
  readonly mostLoss: number;
  readonly mostNorm: number;
  /** The share of the average that stays. */
  readonly memory: number;
}

/** A bound that every finite number passes, and no other. */
export const unbounded = 3.4e38;

/**
 * The scalars of update number `t` (from 1, those left out not counted). The average's memory is short at
 * first, so that it forgets the start.
 */
export const hostScalars = (
  s: UpdateSettings & { readonly clip: number },
  t: number,
  lr: number,
  limits: { readonly loss: number; readonly norm: number } = { loss: unbounded, norm: unbounded },
): HostScalars => ({
  lr,
  clip: s.clip > 0 ? s.clip : unbounded,
  correction1: 1 - s.beta1 ** t,
  correction2: Math.sqrt(1 - s.beta2 ** t),
  mostLoss: limits.loss,
  mostNorm: limits.norm,
  memory: Math.min(s.ema ?? 0, (1 + t) / (10 + t)),
});

/**
 * Global L2 norm of flat gradients, each bucket with its share. Summed in the order in which they were made:
 * ONNX Runtime computes what is summed first first, and lets go of what it was computed from.
 */
const globalNorm = (buckets: readonly Bucket[], gradients: readonly Value[]): Value =>
  sqrt(
    gradients
      .map((g, i) => ({ g, share: buckets[i]!.share }))
      .sort((a, b) => a.g.id - b.g.id)
      .reduce<Value | undefined>((all, { g, share }) => {
        const own = mul(sumSquares(g), share);
        return all ? add(all, own) : own;
      }, undefined)!,
  );

/**
 * The next state under the names of the state, and beside it `norm`, `ratio` (‖Δw‖ / ‖w‖, of the weights
 * after the step) and `applied` (0 where the step was left out, because
 * the loss or the norm was not below its limit). The true gradient is `gradients` times `scale`. Every update
 * waits for the norm, so that every read of the state in the backward pass comes before the first write.
 */
export function update(
  buckets: readonly Bucket[],
  state: (part: StatePart, bucket: Bucket) => Value,
  gradients: readonly Value[],
  s: UpdateSettings,
  { loss, scale = 1 }: { readonly loss: Value; readonly scale?: Operand },
): Readonly<Record<string, Value>> {
  const scalar = (name: keyof HostScalars): Value => input(name, 'float32', []);
  const norm = mul(globalNorm(buckets, gradients), scale);
  const good = and(less(loss, scalar('mostLoss')), less(norm, scalar('mostNorm')));
  const on = where(good, 1, 0);
  const values: StepValues = {
    on,
    rate: mul(scalar('lr'), on),
    kept: (share) => where(good, share, 1),
    correction1: scalar('correction1'),
    correction2: scalar('correction2'),
    // min(1, clip / (norm + 1e-6)): torch.nn.utils.clip_grad_norm_
    gain: where(good, mul(min(div(scalar('clip'), add(norm, 1e-6)), 1), scale), 0),
  };
  const next: Record<string, Value> = {};
  const memory = s.ema ? where(good, scalar('memory'), 1) : undefined;
  const moved: Value[] = [];
  const sizes: Value[] = [];
  for (const [i, bucket] of buckets.entries()) {
    const finite = where(good, gradients[i]!, 0);
    // nothing times a gradient that is not finite is nothing
    const own = (part: StatePart): Value => state(part, bucket);
    const { change, next: parts } = rules[bucket.rule].move(bucket, own, finite, s, values);
    const weights = sub(own('weights'), change);
    moved.push(sumSquares(change));
    sizes.push(sumSquares(weights));
    for (const [part, value] of Object.entries({ weights, ...parts }))
      next[stateName(part as StatePart, bucket)] = value;
    if (memory) next[stateName('ema', bucket)] = add(mul(own('ema'), memory), mul(weights, sub(1, memory)));
  }
  const length = (squares: readonly Value[]): Value => sqrt(squares.reduce((a, b) => add(a, b)));
  return { norm, ratio: div(length(moved), max(length(sizes), 1e-30)), applied: on, ...next };
}
