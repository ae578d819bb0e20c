/**
 * @file How fast the loss of a run falls at its newest step: the slope of a curve that is fitted to its losses, with a
 * 90 % band. A stage of a run can end when the band is below a threshold.
 */
import {
  binLosses,
  bootstrap,
  evaluateCurve,
  fewestBins,
  firstIndex,
  fitCurve,
  quantile,
  type Curve,
  type Point,
} from './loss-curve.ts';

/** The fall of the loss per step; negative where the loss rises. */
export interface Slope {
  readonly fall: number;
  /** The 90 % band. */
  readonly low: number;
  readonly high: number;
}

/** Fewest steps after the warmup. */
export const fewestSteps = 64;
/** The slope is that of the newest steps: this share of the steps so far is not fitted. */
export const skippedShare = 0.2;
/** A power law with more than this times the squared error of a line is given up. */
const worstRatio = 2;
/** Of a normal distribution, on either side of 90 %. */
const quantileOfBand = 1.645;

/**
 * The slope after the last of `steps`, counted from where the curve begins (a run or one of its stages). The first
 * `warmup` steps are not fitted. Undefined if there are too few.
 */
export function slopeOf(
  steps: ArrayLike<number>,
  losses: ArrayLike<number>,
  { warmup }: { readonly warmup: number },
): Slope | undefined {
  const last = steps.length > 0 ? steps[steps.length - 1]! : 0;
  const from = Math.max(1, warmup + 1, skippedShare * last);
  if (steps.length - firstIndex(steps, from) < fewestSteps) return undefined;
  const points = binLosses(steps, losses, from);
  if (points.length < fewestBins) return undefined;
  const { curve } = fitCurve(points);
  const newer = points.slice(Math.floor(points.length / 2));
  const line = fitLine(newer);
  // A power law cannot rise, and it falls ever more slowly. Where the loss does not, a line describes it better.
  const isPowerLaw = curve.scale > 0 && squaredError(newer, curve) < worstRatio * line.squaredError;
  if (!isPowerLaw) return line.slope;
  const falls = bootstrap(points, curve).map((refit) => fallOf(refit, last));
  const fall = fallOf(curve, last);
  return {
    fall,
    low: Math.min(fall, quantile(falls, 0.05)),
    high: Math.max(fall, quantile(falls, 0.95)),
  };
}

/** Minus the derivative of the curve at `t`. */
const fallOf = ({ scale, exponent }: Curve, t: number): number => scale * exponent * t ** (-exponent - 1);

const squaredError = (points: readonly Point[], curve: Curve): number =>
  points.reduce((sum, { t, loss, weight }) => sum + weight * (loss - evaluateCurve(curve, t)) ** 2, 0);

interface Line {
  readonly slope: Slope;
  readonly squaredError: number;
  /** The mean time and loss of the points, through which the line goes. */
  readonly t: number;
  readonly loss: number;
}

/** A line through points, by weighted least squares. */
export function fitLine(points: readonly Point[]): Line {
  const sum = (term: (point: Point) => number): number => points.reduce((n, point) => n + term(point), 0);
  const weight = sum((p) => p.weight);
  const t = sum((p) => p.weight * p.t) / weight;
  const loss = sum((p) => p.weight * p.loss) / weight;
  const spread = sum((p) => p.weight * (p.t - t) ** 2);
  const rise = sum((p) => p.weight * (p.t - t) * (p.loss - loss)) / spread;
  const squared = sum((p) => p.weight * (p.loss - loss - rise * (p.t - t)) ** 2);
  const error = Math.sqrt(squared / Math.max(1, points.length - 2) / spread);
  const slope = { fall: -rise, low: -rise - quantileOfBand * error, high: -rise + quantileOfBand * error };
  return { slope, squaredError: squared, t, loss };
}

export const scaleSlope = ({ fall, low, high }: Slope, factor: number): Slope => ({
  fall: fall * factor,
  low: low * factor,
  high: high * factor,
});

/** True if the loss neither falls nor rises by `threshold` a step, with the certainty of the band. */
export const isPlateau = ({ low, high }: Slope, threshold: number): boolean =>
  high < threshold && low > -threshold;
