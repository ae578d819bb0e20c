/**
 * @file Forecast of the final loss of a run: fits a power law to the loss so far. Refits on resampled residuals
 * (a bootstrap) give the 90 % band.
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
} from './loss-curve.ts';

export interface Forecast {
  readonly type: 'forecast';
  /** The loss at the last step, with its 90 % band. */
  readonly loss: number;
  readonly low: number;
  readonly high: number;
  readonly curve: Curve;
  /** The bootstrap refits, from which `bandAt` computes the band of any step. */
  readonly refits: readonly Curve[];
}

/** There is no forecast yet; `why` is a clause. */
export interface TooEarly {
  readonly type: 'too early';
  readonly why: string;
}

export interface ForecastOptions {
  /** Warmup steps, which are not fitted. */
  readonly warmup: number;
  /** The last step of the run. */
  readonly steps: number;
}

/** Fewest steps after the warmup, and smallest share of the run, for a forecast. */
const fewestSteps = 40;
const smallestShare = 0.08;
/** Share of the steps so far that is skipped, because the curve is not a power law at the start. */
const skippedShare = 0.05;
/** A band wider than this share of the losses seen, or than `smallestWidth` nats, is not shown. */
const widestShare = 0.75;
const smallestWidth = 0.02;

const tooEarly = (why: string): TooEarly => ({ type: 'too early', why });

/** Forecasts a run from its steps and losses so far. Deterministic: the refits have a fixed seed. */
export function forecast(
  steps: ArrayLike<number>,
  losses: ArrayLike<number>,
  { warmup, steps: end }: ForecastOptions,
): Forecast | TooEarly {
  const last = steps.length > 0 ? steps[steps.length - 1]! : 0;
  const from = Math.max(1, warmup + 1, skippedShare * last);
  const count = steps.length - firstIndex(steps, from);
  if (count < fewestSteps)
    return tooEarly(`needs ${fewestSteps} steps after the warmup, has ${Math.max(0, count)}`);
  if (last < smallestShare * end)
    return tooEarly(`only ${((100 * last) / end).toFixed(1)} % of the steps are done`);
  const points = binLosses(steps, losses, from);
  if (points.length < fewestBins) return tooEarly('the steps are too close together');
  const { curve } = fitCurve(points);
  if (curve.scale <= 0) return tooEarly('the loss is not falling yet');

  const refits = bootstrap(points, curve);
  const ends = refits.map((refit) => evaluateCurve(refit, end));
  const low = quantile(ends, 0.05);
  const high = quantile(ends, 0.95);
  const lossesSeen = points.map((p) => p.loss);
  const drop = Math.max(...lossesSeen) - Math.min(...lossesSeen);
  if (high - low > Math.max(widestShare * drop, smallestWidth))
    return tooEarly('the curve does not determine the final loss yet');
  const loss = evaluateCurve(curve, end);
  return { type: 'forecast', loss, low: Math.min(low, loss), high: Math.max(high, loss), curve, refits };
}

/** The curve and its 90 % band at step `t`. */
export function bandAt(
  { curve, refits }: Forecast,
  t: number,
): { readonly low: number; readonly loss: number; readonly high: number } {
  const losses = refits.map((refit) => evaluateCurve(refit, t));
  const loss = evaluateCurve(curve, t);
  return { low: Math.min(loss, quantile(losses, 0.05)), loss, high: Math.max(loss, quantile(losses, 0.95)) };
}
