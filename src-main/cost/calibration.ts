/** @file What earlier runs teach the next estimate: actual over estimated figures, per device. */
import type { Precision } from '../train/precision.ts';

/**
 * What a time estimate is based on: rates measured on the device, the roofline of its kernels, or its peak. A
 * correction learned with one is not used with another.
 */
export type Basis = 'measured' | 'roofline' | 'peak';

/** Actual over estimated figures of one run. `time` and `memory` are against the uncorrected estimate. */
export interface Ratio {
  readonly run: string;
  readonly at: string;
  readonly precision: Precision;
  /** Unknown in records of older versions. */
  readonly basis?: Basis;
  readonly time: number;
  readonly memory: number | null;
  /** Time against the corrected estimate, which is the one that was shown. */
  readonly corrected: number;
}

export const withPrecision = (past: readonly Ratio[], precision: Precision): readonly Ratio[] =>
  past.filter((ratio) => ratio.precision === precision);

/** Newest runs that count. */
export const rememberedRuns = 3;

/** Smallest spreads, because no two runs are alike. */
const spreadOfOne = 0.15;
const smallestSpread = 0.05;

export interface Correction {
  /** Multiplies the next estimate. */
  readonly factor: number;
  /** How far the runs are from the factor: 0.1 is 10 %. */
  readonly spread: number;
}

/** The median of the newest ratios as the correction of the next estimate. */
export function correctionOf(newest: readonly number[]): Correction {
  const ratios = newest.slice(0, rememberedRuns).sort((a, b) => a - b);
  if (ratios.length === 0) return { factor: 1, spread: 0 };
  const middle = Math.floor(ratios.length / 2);
  const isOdd = ratios.length % 2 === 1;
  const factor = isOdd ? ratios[middle]! : Math.sqrt(ratios[middle - 1]! * ratios[middle]!);
  const distances = ratios.map((ratio) => Math.max(ratio / factor, factor / ratio) - 1);
  const minimum = ratios.length === 1 ? spreadOfOne : smallestSpread;
  return { factor, spread: Math.max(minimum, ...distances) };
}

/** Accuracy of past estimates, such as `last 3 runs: within 12 %`; undefined before the first run. */
export function describeAccuracy(past: readonly Ratio[]): string | undefined {
  const newest = past.slice(0, rememberedRuns);
  if (newest.length === 0) return undefined;
  const worst = Math.max(...newest.map(({ corrected }) => Math.max(corrected, 1 / corrected) - 1));
  const runs = newest.length === 1 ? 'run' : `${newest.length} runs`;
  const distance =
    worst < 1 ? `${Math.ceil(100 * worst - 1e-6)} %` : `a factor of ${(worst + 1).toPrecision(2)}`;
  return `last ${runs}: within ${distance}`;
}

/** Compares an actual figure with its estimate: `12 % more than estimated`, `3.1 times the estimate`. */
export function compareWithEstimate(actual: number, estimated: number): string {
  const ratio = actual / estimated;
  if (Math.abs(ratio - 1) < 0.005) return 'as estimated';
  if (ratio >= 2) return `${ratio.toPrecision(2)} times the estimate`;
  return `${Math.round(100 * Math.abs(ratio - 1))} % ${ratio > 1 ? 'more' : 'less'} than estimated`;
}
