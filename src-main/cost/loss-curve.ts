/**
 * @file Fits a power law to the losses of a run. Refits on resampled residuals (a bootstrap) tell how certain it is.
 */
import { integerAt, deriveKey } from '../base/random.ts';

/** L(t) = asymptote + scale · t^-exponent. */
export interface Curve {
  readonly asymptote: number;
  readonly scale: number;
  readonly exponent: number;
}

const binCount = 48;
/** Bins that a fit needs at least. */
export const fewestBins = 8;
const refitCount = 80;

export const evaluateCurve = ({ asymptote, scale, exponent }: Curve, t: number): number =>
  asymptote + scale * t ** -exponent;

/** The mean loss around time `t`, of `weight` steps. */
export interface Point {
  readonly t: number;
  readonly loss: number;
  readonly weight: number;
}

/** Averages the losses in bins of equal width on a log scale, weighted by the number of steps in each bin. */
export function binLosses(
  steps: ArrayLike<number>,
  losses: ArrayLike<number>,
  from: number,
): readonly Point[] {
  const last = steps[steps.length - 1]!;
  const width = Math.log(last / from) / binCount;
  const bins = Array.from({ length: binCount }, () => ({ t: 0, loss: 0, n: 0 }));
  for (let i = 0; i < steps.length; i++) {
    const t = steps[i]!;
    const loss = losses[i]!;
    if (t < from || !Number.isFinite(loss)) continue;
    const bin = bins[Math.min(binCount - 1, Math.floor(Math.log(t / from) / width))]!;
    bin.t += Math.log(t);
    bin.loss += loss;
    bin.n++;
  }
  return bins
    .filter((bin) => bin.n > 0)
    .map((bin) => ({ t: Math.exp(bin.t / bin.n), loss: bin.loss / bin.n, weight: bin.n }));
}

const exponents = Array.from({ length: 36 }, (_, i) => 0.04 * 1.115 ** i);

/**
 * Fits a curve by weighted least squares with the Huber loss (iteratively reweighted, `rounds` times) for each
 * exponent of a grid, and returns the best. The asymptote and the scale are never negative.
 */
export function fitCurve(
  points: readonly Point[],
  rounds = 3,
): { readonly curve: Curve; readonly error: number } {
  let best = { curve: { asymptote: points.at(-1)!.loss, scale: 0, exponent: 1 }, error: Infinity };
  for (const exponent of exponents) {
    let weights = points.map((p) => p.weight);
    let curve: Curve = best.curve;
    let error = Infinity;
    for (let round = 0; round < rounds; round++) {
      curve = fitLinear(points, weights, exponent);
      const residuals = points.map((p) => p.loss - evaluateCurve(curve, p.t));
      const typical = 1.5 * median(residuals.map(Math.abs)) + 1e-9;
      error = residuals.reduce((n, r, i) => n + points[i]!.weight * huber(r / typical) * typical ** 2, 0);
      weights = points.map((p, i) => p.weight / Math.max(1, Math.abs(residuals[i]!) / (1.5 * typical)));
    }
    if (error < best.error) best = { curve, error };
  }
  return best;
}

const huber = (x: number): number => (Math.abs(x) <= 1.5 ? 0.5 * x * x : 1.5 * (Math.abs(x) - 0.75));

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Asymptote and scale for a given exponent: weighted linear regression of the loss on t^-exponent. */
function fitLinear(points: readonly Point[], weights: readonly number[], exponent: number): Curve {
  let w = 0;
  let x = 0;
  let y = 0;
  let xx = 0;
  let xy = 0;
  points.forEach((p, i) => {
    const v = p.t ** -exponent;
    const k = weights[i]!;
    w += k;
    x += k * v;
    y += k * p.loss;
    xx += k * v * v;
    xy += k * v * p.loss;
  });
  const spread = xx - (x * x) / w;
  const scale = spread > 1e-15 ? Math.max(0, (xy - (x * y) / w) / spread) : 0;
  const asymptote = (y - scale * x) / w;
  return asymptote >= 0
    ? { asymptote, scale, exponent }
    : { asymptote: 0, scale: Math.max(0, xy / xx), exponent };
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low]! + (at - low) * ((sorted[low + 1] ?? sorted[low]!) - sorted[low]!);
}

/** Refits of the curve plus residuals drawn from other bins. */
export function bootstrap(points: readonly Point[], curve: Curve): readonly Curve[] {
  const residuals = points.map((p) => p.loss - evaluateCurve(curve, p.t));
  const key = deriveKey(0, 'forecast');
  return Array.from({ length: refitCount }, (_, i) => {
    const resampled = points.map((p, j) => {
      const drawn = integerAt(key, i * points.length + j, points.length);
      // A bin of more steps has less noise: scale the residual to the steps of this bin.
      const residual = residuals[drawn]! * Math.sqrt(points[drawn]!.weight / p.weight);
      return { ...p, loss: evaluateCurve(curve, p.t) + residual };
    });
    return fitCurve(resampled, 1).curve;
  });
}

/** The first index whose step is at least `from`. */
export function firstIndex(steps: ArrayLike<number>, from: number): number {
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle]! < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
