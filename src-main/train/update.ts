/**
 * @file From gradients to the next state: global norm and clipping, the rule that skips a bad step, each
 * bucket's optimizer, the moving average of the weights.
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
import { noKernels, type KernelChoice } from '../graph/kernels.ts';
import {
  rules,
  type Hyperparameters,
  type KernelMove,
  type StatePart,
  type StepValues,
} from './optimizers/index.ts';
import { stateName, type Bucket } from './state.ts';

export interface UpdateSettings extends Hyperparameters {
  /** Decay of the moving average of the weights; 0 for no average. */
  readonly emaDecay?: number;
  /** The kernels of our own that the update uses. Default: none. */
  readonly kernelChoice?: KernelChoice;
}

/** Scalars that the host feeds at each update, named as the graph's inputs. */
export interface HostScalars {
  readonly lr: number;
  /** Largest global gradient norm; `noLimit` for no clipping. */
  readonly clip: number;
  /** 1 - beta1^t. `t` counts the updates so far and this one. */
  readonly biasCorrection1: number;
  /** sqrt(1 - beta2^t). */
  readonly biasCorrection2: number;
  /** A step is skipped unless its loss and gradient norm are below these. */
  readonly lossLimit: number;
  readonly gradNormLimit: number;
  readonly emaDecay: number;
}

export const hostScalarNames = [
  'lr',
  'clip',
  'biasCorrection1',
  'biasCorrection2',
  'lossLimit',
  'gradNormLimit',
  'emaDecay',
] as const satisfies readonly (keyof HostScalars)[];

export const lateScalarNames = ['lateBiasCorrection1', 'lateBiasCorrection2'] as const;

/**
 * The bias corrections of weights that were frozen at first, in update number `t` since then. Only graphs with such
 * weights have them as inputs.
 */
export const lateScalars = (
  { beta1, beta2 }: Pick<UpdateSettings, 'beta1' | 'beta2'>,
  t: number,
): Readonly<Record<(typeof lateScalarNames)[number], number>> => ({
  lateBiasCorrection1: 1 - beta1 ** t,
  lateBiasCorrection2: Math.sqrt(1 - beta2 ** t),
});

/** A limit that every finite number is below. */
export const noLimit = 3.4e38;

/** The loss and gradient norm that a step must stay below. */
export interface StepLimits {
  readonly loss: number;
  readonly gradNorm: number;
}

/**
 * The scalars of update number `t` (from 1; skipped steps do not count). The moving average starts with a short
 * memory, so that it forgets the initial weights.
 */
export const hostScalars = (
  s: UpdateSettings & { readonly gradClip: number },
  t: number,
  lr: number,
  limits: StepLimits = { loss: noLimit, gradNorm: noLimit },
): HostScalars => ({
  lr,
  clip: s.gradClip > 0 ? s.gradClip : noLimit,
  biasCorrection1: 1 - s.beta1 ** t,
  biasCorrection2: Math.sqrt(1 - s.beta2 ** t),
  lossLimit: limits.loss,
  gradNormLimit: limits.gradNorm,
  emaDecay: Math.min(s.emaDecay ?? 0, (1 + t) / (10 + t)),
});

/**
 * Global L2 norm of flat gradients, each bucket weighted by its share. Summed in the order in which the
 * gradients are made: ONNX Runtime computes the first operand first and then frees what it came from.
 */
function globalNorm(buckets: readonly Bucket[], gradients: readonly Value[]): Value {
  const squares = gradients
    .map((gradient, i) => ({ gradient, share: buckets[i]!.normShare }))
    .sort((a, b) => a.gradient.id - b.gradient.id)
    .map(({ gradient, share }) => mul(sumSquares(gradient), share));
  return sqrt(squares.reduce((a, b) => add(a, b)));
}

const normOf = (squares: readonly Value[]): Value => sqrt(squares.reduce((a, b) => add(a, b)));

/** One step of a bucket, by a kernel if its rule has one that may be used. */
function moveBucket(
  bucket: Bucket,
  read: (part: StatePart) => Value,
  gradient: Value,
  s: UpdateSettings,
  isGood: Value,
  values: StepValues,
  mask: Value | undefined,
): KernelMove {
  const rule = rules[bucket.rule];
  if (!mask && rule.moveByKernel && (s.kernelChoice ?? noKernels).has('optimizer'))
    return rule.moveByKernel(bucket, read, gradient, s, values);
  // 0 × ∞ is not 0: a gradient that is not finite has to go before it is scaled.
  const finite = where(isGood, gradient, 0);
  const moved = rule.move(bucket, read, finite, s, values);
  // Moments from before may move an old entry, whose gradient is 0.
  const ofNew = (value: Value): Value => (mask ? mul(value, mask) : value);
  const step = ofNew(moved.step);
  const weightDecay = moved.weightDecay && ofNew(moved.weightDecay);
  const decayed = weightDecay ? mul(read('weights'), sub(1, weightDecay)) : read('weights');
  const weights = sub(decayed, step);
  const squares = { stepSquares: sumSquares(step), weightSquares: sumSquares(weights) };
  return { next: { weights, ...moved.next }, ...squares };
}

/**
 * The next state of `buckets`, which are trained, under the names of the state tensors, and `gradNorm`, `updateRatio`
 * (norm of the step, without weight decay, over the norm of the weights after it) and `applied` (0 if the step was
 * skipped because its loss or norm was not below the limit).
 * The true gradient is `all` times `scale`; of a masked bucket, old entries neither move nor count in the norm.
 * Every update waits for the norm, so every read of the state in the backward pass precedes the first write;
 * updating the state in place depends on that.
 */
export function update(
  buckets: readonly Bucket[],
  state: (part: StatePart, bucket: Bucket) => Value,
  all: readonly Value[],
  s: UpdateSettings,
  { loss, scale = 1 }: { readonly loss: Value; readonly scale?: Operand },
): Readonly<Record<string, Value>> {
  const scalar = (name: keyof HostScalars | (typeof lateScalarNames)[number]): Value =>
    input(name, 'float32', []);
  const masks = buckets.map((bucket) =>
    bucket.isMasked ? input(stateName('mask', bucket), 'float32', [bucket.length]) : undefined,
  );
  const gradients = all.map((gradient, i) => (masks[i] ? mul(gradient, masks[i]) : gradient));
  const gradNorm = mul(globalNorm(buckets, gradients), scale);
  const isGood = and(less(loss, scalar('lossLimit')), less(gradNorm, scalar('gradNormLimit')));
  const on = where(isGood, 1, 0);
  // min(1, clip / (norm + 1e-6)): torch.nn.utils.clip_grad_norm_
  const clipScale = mul(min(div(scalar('clip'), add(gradNorm, 1e-6)), 1), scale);
  const values: StepValues = {
    on,
    lr: mul(scalar('lr'), on),
    decay: (beta) => where(isGood, beta, 1),
    biasCorrection1: scalar('biasCorrection1'),
    biasCorrection2: scalar('biasCorrection2'),
    clipScale: where(isGood, clipScale, 0),
  };
  const lateValues: StepValues = {
    ...values,
    biasCorrection1: scalar('lateBiasCorrection1'),
    biasCorrection2: scalar('lateBiasCorrection2'),
  };
  const emaDecay = s.emaDecay ? where(isGood, scalar('emaDecay'), 1) : undefined;
  const next: Record<string, Value> = {};
  const stepSquares: Value[] = [];
  const weightSquares: Value[] = [];
  for (const [i, bucket] of buckets.entries()) {
    const read = (part: StatePart): Value => state(part, bucket);
    const moved = moveBucket(
      bucket,
      read,
      gradients[i]!,
      s,
      isGood,
      bucket.isLate ? lateValues : values,
      masks[i],
    );
    stepSquares.push(moved.stepSquares);
    weightSquares.push(moved.weightSquares);
    for (const [part, value] of Object.entries(moved.next))
      next[stateName(part as StatePart, bucket)] = value;
    const { weights } = moved.next;
    if (emaDecay)
      next[stateName('ema', bucket)] = add(mul(read('ema'), emaDecay), mul(weights, sub(1, emaDecay)));
  }
  const updateRatio = div(normOf(stepSquares), max(normOf(weightSquares), 1e-30));
  return { gradNorm, updateRatio, applied: on, ...next };
}
