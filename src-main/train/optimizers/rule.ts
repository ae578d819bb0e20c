/**
 * @file What an optimizer is: the state it keeps beside the weights, how it takes the factors of grown
 * weights, and how far one step moves a bucket.
 */
import type { Parameter } from '../../model/parameters.ts';
import type { Value } from '../../graph/graph.ts';
import type { Bucket } from '../state.ts';

/** Parts of the state of a bucket, each as long as the bucket. `ema` is the moving average of the weights. */
export type StatePart = 'weights' | 'mean' | 'square' | 'momentum' | 'ema';

/** What growth did to a weight, as its optimizer sees it (methods.md 1.11). */
export interface Factors {
  /** c: a grown value is the source's times this. */
  readonly rate: number;
  /** f: a grown gradient is the source's times this. */
  readonly gradient: number;
  /** The stored shape before the growth. */
  readonly from: readonly number[];
}

export interface Hyper {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly decay: number;
  readonly momentum: number;
}

/**
 * Scalars of one update. Where a step is left out, `on`, `rate` and `gain` are zero and `kept(x)` is one, so
 * that nothing moves.
 */
export interface StepValues {
  /** 1, or 0 where the step is left out. */
  readonly on: Value;
  /** The learning rate of the step. */
  readonly rate: Value;
  /** What gradients are multiplied by: the clip. */
  readonly gain: Value;
  /** The share of an old moment that stays. */
  kept(share: number): Value;
  /** 1 - beta1^t and sqrt(1 - beta2^t). */
  readonly correction1: Value;
  readonly correction2: Value;
}

/** `change` is taken from the weights; `next` is what the other parts become. */
export interface Move {
  readonly change: Value;
  readonly next: Readonly<Partial<Record<StatePart, Value>>>;
}

export interface Rule {
  /** Beside the weights. */
  readonly parts: readonly StatePart[];
  /** A weight's learning rate and epsilon over those of the run, and its share of the norm. */
  scaled(factors: Factors | undefined, parameter: Parameter): Pick<Bucket, 'rate' | 'eps' | 'share'>;
  /** `gradient` is finite, not yet clipped. */
  move(
    bucket: Bucket,
    state: (part: StatePart) => Value,
    gradient: Value,
    s: Hyper,
    values: StepValues,
  ): Move;
}
