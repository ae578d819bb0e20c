/**
 * @file Where a loss curve is going: a power law with a floor, a + b·t^-c, fitted to the run so far, with a
 * band from refits of what it left over. Says that it is too early when it is.
 */
import { integerAt, deriveKey } from '../base/random.ts';

/** L(t) = floor + scale · t^-power. */
export interface Curve {
  readonly floor: number;
  readonly scale: number;
  readonly power: number;
}
export interface Forecast {
  readonly type: 'forecast';
  /** The loss at the end: the middle and nine tenths of the refits. */
  readonly loss: number;
  readonly low: number;
  readonly high: number;
  readonly curve: Curve;
  /** Refits, for the band between here and the end. */
  readonly refits: readonly Curve[];
}
export interface TooEarly {
  readonly type: 'too early';
  readonly why: string;
}

export interface ForecastOptions {
  /** Steps of warm-up, which are left out. */
  readonly warmup: number;
  /** The last step. */
  readonly steps: number;
}

const fewest = 40;
const bins = 48;
const refitted = 80;
const shareSeen = 0.08;
export const valueOf = ({ floor, scale, power }: Curve, t: number): number => floor + scale * t ** -power;

interface Point {
  readonly t: number;
  readonly loss: number;
  readonly weight: number;
}

/**
 * Means of the losses in stretches that are equally wide on a log scale, weighted by how many steps each has.
 */
function binned(steps: ArrayLike<number>, losses: ArrayLike<number>, from: number): readonly Point[] {
  const last = steps[steps.length - 1]!;
  const width = Math.log(last / from) / bins;
  const sums = Array.from({ length: bins }, () => ({ t: 0, loss: 0, n: 0 }));
  for (let i = 0; i < steps.length; i++) {
    const t = steps[i]!;
    const loss = losses[i]!;
    if (t < from || !Number.isFinite(loss)) continue;
    const bin = sums[Math.min(bins - 1, Math.floor(Math.log(t / from) / width))]!;
    bin.t += Math.log(t);
    bin.loss += loss;
    bin.n++;
  }
  return sums
    .filter((b) => b.n > 0)
    .map((b) => ({ t: Math.exp(b.t / b.n), loss: b.loss / b.n, weight: b.n }));
}

const powers = Array.from({ length: 36 }, (_, i) => 0.04 * 1.115 ** i);

/**
 * The best curve by weighted least squares, large misses counted less (Huber). The floor is never below zero
 * and the scale never negative: a loss that rises is no power law.
 */
function fitted(points: readonly Point[], rounds = 3): { readonly curve: Curve; readonly miss: number } {
  let best = { curve: { floor: points.at(-1)!.loss, scale: 0, power: 1 }, miss: Infinity };
  for (const power of powers) {
    let weights = points.map((p) => p.weight);
    let curve: Curve = best.curve;
    let miss = Infinity;
    for (let round = 0; round < rounds; round++) {
      curve = linear(points, weights, power);
      const misses = points.map((p) => p.loss - valueOf(curve, p.t));
      const typical = 1.5 * median(misses.map(Math.abs)) + 1e-9;
      miss = misses.reduce((n, e, i) => n + points[i]!.weight * huber(e / typical) * typical ** 2, 0);
      weights = points.map((p, i) => p.weight / Math.max(1, Math.abs(misses[i]!) / (1.5 * typical)));
    }
    if (miss < best.miss) best = { curve, miss };
  }
  return best;
}
const huber = (x: number): number => (Math.abs(x) <= 1.5 ? 0.5 * x * x : 1.5 * (Math.abs(x) - 0.75));
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** Floor and scale for a given power. */
function linear(points: readonly Point[], weights: readonly number[], power: number): Curve {
  let w = 0;
  let x = 0;
  let y = 0;
  let xx = 0;
  let xy = 0;
  points.forEach((p, i) => {
    const v = p.t ** -power;
    const k = weights[i]!;
    w += k;
    x += k * v;
    y += k * p.loss;
    xx += k * v * v;
    xy += k * v * p.loss;
  });
  const spread = xx - (x * x) / w;
  const scale = spread > 1e-15 ? Math.max(0, (xy - (x * y) / w) / spread) : 0;
  const floor = (y - scale * x) / w;
  return floor >= 0 ? { floor, scale, power } : { floor: 0, scale: Math.max(0, xy / xx), power };
}

const quantile = (values: readonly number[], share: number): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low]! + (at - low) * ((sorted[low + 1] ?? sorted[low]!) - sorted[low]!);
};

/** The forecast of a run with these steps and losses so far. The same run gives the same forecast. */
export function forecast(
  steps: ArrayLike<number>,
  losses: ArrayLike<number>,
  { warmup, steps: end }: ForecastOptions,
): Forecast | TooEarly {
  const last = steps.length > 0 ? steps[steps.length - 1]! : 0;
  const from = Math.max(1, warmup + 1, 0.05 * last);
  const count = steps.length - firstAt(steps, from);
  if (count < fewest)
    return { type: 'too early', why: `needs ${fewest} steps after the warm-up, has ${Math.max(0, count)}` };
  if (last < shareSeen * end)
    return { type: 'too early', why: `only ${((100 * last) / end).toFixed(1)} % of the steps are done` };
  const points = binned(steps, losses, from);
  if (points.length < 8) return { type: 'too early', why: 'the steps lie too close together' };
  const { curve } = fitted(points);
  const left = points.map((p) => p.loss - valueOf(curve, p.t));
  if (curve.scale <= 0) return { type: 'too early', why: 'the loss does not fall yet' };
  const key = deriveKey(0, 'forecast');
  const refits: Curve[] = [];
  for (let i = 0; i < refitted; i++) {
    // a miss of another stretch, as large as it would be with this one's steps
    const other = (j: number): number => integerAt(key, i * points.length + j, points.length);
    refits.push(
      fitted(
        points.map((p, j) => ({
          ...p,
          loss: valueOf(curve, p.t) + left[other(j)]! * Math.sqrt(points[other(j)]!.weight / p.weight),
        })),
        1,
      ).curve,
    );
  }
  const ends = refits.map((r) => valueOf(r, end));
  const low = quantile(ends, 0.05);
  const high = quantile(ends, 0.95);
  const seen = Math.max(...points.map((p) => p.loss)) - Math.min(...points.map((p) => p.loss));
  if (high - low > Math.max(0.75 * seen, 0.02))
    return { type: 'too early', why: 'the curve does not yet say where it goes' };
  const loss = valueOf(curve, end);
  return { type: 'forecast', loss, low: Math.min(low, loss), high: Math.max(high, loss), curve, refits };
}

/** The first index whose step is at least `from`. */
function firstAt(steps: ArrayLike<number>, from: number): number {
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle]! < from) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The band at step `t`: nine tenths of the refits. */
export const bandAt = (
  { curve, refits }: Forecast,
  t: number,
): { readonly low: number; readonly loss: number; readonly high: number } => {
  const all = refits.map((r) => valueOf(r, t));
  const loss = valueOf(curve, t);
  return { low: Math.min(loss, quantile(all, 0.05)), loss, high: Math.max(loss, quantile(all, 0.95)) };
};
