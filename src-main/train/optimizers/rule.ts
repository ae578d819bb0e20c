/**
 * @file What an update rule is: the state it keeps, how it applies the factors of grown weights, and how far
 * one step moves a bucket.
 */
import type { Value } from '../../graph/graph.ts';
import type { Parameter } from '../../model/parameters.ts';
import type { Bucket } from '../bucket.ts';

export type { RuleId } from '../bucket.ts';

/** State tensors of a bucket, each as long as the bucket. `ema` is the moving average of the weights. */
export type StatePart = 'weights' | 'expAvg' | 'expAvgSq' | 'momentum' | 'ema';

/** What growth did to a weight, as the optimizer needs it (docs/methods.md, Learning rates and moments). */
export interface Factors {
  /** c: a grown value is its source value times c. */
  readonly lrScale: number;
  /** f: a grown gradient is its source gradient times f. */
  readonly gradScale: number;
  /** Stored shape before the growth. */
  readonly from: readonly number[];
}

export interface Hyperparameters {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  readonly momentum: number;
}

/** Scalars of one update. A skipped step has `on`, `lr` and `clipScale` 0 and `decay(x)` 1, so nothing moves. */
export interface StepValues {
  /** 1, or 0 for a skipped step. */
  readonly on: Value;
  /** Learning rate of the step. */
  readonly lr: Value;
  /** Multiplies gradients: min(1, clip / norm). */
  readonly clipScale: Value;
  /** The decay `beta` of a moment, or 1 for a skipped step. */
  decay(beta: number): Value;
  /** 1 - beta1^t. */
  readonly biasCorrection1: Value;
  /** sqrt(1 - beta2^t). */
  readonly biasCorrection2: Value;
}

export interface Move {
  /** Subtracted from the weights once they have decayed. */
  readonly step: Value;
  /** The weight decay of the step, lr · wd: the weights are multiplied by 1 minus this. */
  readonly weightDecay?: Value;
  /** New values of the other state parts. */
  readonly next: Readonly<Partial<Record<StatePart, Value>>>;
}

/** The result of a whole update by a kernel. */
export interface KernelMove {
  /** New values of the weights and the other state parts. */
  readonly next: Readonly<Partial<Record<StatePart, Value>> & Record<'weights', Value>>;
  /** Σ step², without weight decay. */
  readonly stepSquares: Value;
  /** Σ of the squares of the new weights. */
  readonly weightSquares: Value;
}

export interface Rule {
  /** State beside the weights. */
  readonly parts: readonly StatePart[];
  /** How the rule applies a grown weight's factors; `undefined` for a weight that was not grown. */
  scale(
    factors: Factors | undefined,
    parameter: Parameter,
  ): Pick<Bucket, 'lrScale' | 'epsScale' | 'normShare'>;
  /** One step of a bucket. `gradient` is finite and not yet clipped. */
  move(
    bucket: Bucket,
    state: (part: StatePart) => Value,
    gradient: Value,
    hyperparameters: Hyperparameters,
    values: StepValues,
  ): Move;
  /** The same step, with weight decay, by one kernel. `gradient` need not be finite if the step is skipped. */
  moveByKernel?(
    bucket: Bucket,
    state: (part: StatePart) => Value,
    gradient: Value,
    hyperparameters: Hyperparameters,
    values: StepValues,
  ): KernelMove;
}
