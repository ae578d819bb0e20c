/** @file Collects the comparison of two models over a text, and decides which differences are rounding. */
import {
  certificateLimits,
  type Certificate,
  type LossByPosition,
  type ModelDifference,
  type Verdict,
  type WorstPosition,
} from '../model/certificate.ts';
import type { PromiseKind } from '../model/promise.ts';
import type { WeightDType } from '../tensor/dtype.ts';
import { histogramEdges, statisticCount, statistics, type Statistic } from './compare-logits.ts';

/**
 * The largest logit difference from rounding weights, for logits with a root mean square of 1. Measured: the
 * order of sums in float32, and the rounding of W ± N in 16-bit types (docs/methods.md, Certificate and
 * tolerances).
 */
const tolerances: Readonly<Record<WeightDType, number>> = { float32: 1e-4, float16: 1e-2, bfloat16: 6e-2 };

/**
 * The largest logit difference that preserved logits may show. `dtypes` are those of the grown weights. Grows
 * with the logits, because larger logits have larger rounding errors.
 */
export const computeTolerance = (dtypes: readonly WeightDType[], rmsLogit: number): number =>
  Math.max(...dtypes.map((dtype) => tolerances[dtype])) * Math.max(1, rmsLogit);

/** What a comparison says about a promise. Logits that are all zero come from a device that computes nothing. */
export function judge(promise: PromiseKind, difference: ModelDifference, tolerance: number): Verdict {
  if (difference.nonFinite > 0 || difference.rmsLogit === 0) return 'failed';
  if (promise === 'none') return 'measured';
  return difference.maxLogit <= tolerance ? 'passed' : 'failed';
}

/** A position of the text by its numbers; the engine adds the text. */
export type RankedPosition = Omit<WorstPosition, 'context' | 'next' | 'topSource' | 'topGrown'> & {
  /** Tokens. */
  readonly topSource: number;
  readonly topGrown: number;
};

export interface ComparisonSettings {
  /** Tokens of the source. */
  readonly vocab: number;
  readonly contextLength: number;
  /** By what the worst positions are chosen. */
  readonly rankBy: 'maxLogit' | 'kl';
}

export interface Comparison {
  /** Adds statistics [rows, statisticCount] of consecutive positions, the first of which begins a window. */
  add(rows: Float32Array): void;
  difference(): ModelDifference;
  /** Descending. */
  worst(): readonly RankedPosition[];
  details(): Required<Pick<Certificate, 'histogram' | 'byPosition'>>;
}

const columnOf = Object.fromEntries(statistics.map((name, i) => [name, i])) as Readonly<
  Record<Statistic, number>
>;

/** Collects the results of `compareLogits` (compare-logits.ts). Sums are in float64. */
export function createComparison({ vocab, contextLength, rankBy }: ComparisonSettings): Comparison {
  let tokens = 0;
  let nonFinite = 0;
  let maxLogit = 0;
  const sums = { squares: 0, kl: 0, lossSource: 0, lossGrown: 0, agreeing: 0, newTokenShare: 0 };
  const above = new Float64Array(histogramEdges.length);
  const losses = createLossTable(contextLength);
  const ranked: RankedPosition[] = [];

  const addRow = (row: Float32Array): void => {
    const token = tokens;
    tokens++;
    const read = (name: Statistic): number => row[columnOf[name]]!;
    const position: RankedPosition = {
      token,
      position: token % contextLength,
      maxLogit: read('maxLogit'),
      kl: computeKl(read),
      lossSource: read('lossSource'),
      lossGrown: read('lossGrown'),
      topSource: read('topSource'),
      topGrown: read('topGrown'),
    };
    const squares = read('squares');
    if (![squares, position.maxLogit, position.kl, position.lossSource, position.lossGrown].every(isFinite)) {
      nonFinite++;
      return;
    }
    maxLogit = Math.max(maxLogit, position.maxLogit);
    sums.squares += squares;
    sums.kl += position.kl;
    sums.lossSource += position.lossSource;
    sums.lossGrown += position.lossGrown;
    sums.newTokenShare += read('newTokenShare');
    if (position.topSource === position.topGrown) sums.agreeing++;
    for (let i = 0; i < above.length; i++) above[i]! += row[statistics.length + i]!;
    losses.add(position);
    rank(ranked, position, rankBy);
  };

  return {
    add(rows) {
      for (let at = 0; at < rows.length; at += statisticCount) addRow(rows.subarray(at, at + statisticCount));
    },
    difference() {
      const finite = Math.max(1, tokens - nonFinite);
      return {
        tokens,
        nonFinite,
        maxLogit,
        rmsLogit: Math.sqrt(sums.squares / (finite * vocab)),
        kl: sums.kl / finite,
        lossSource: sums.lossSource / finite,
        lossGrown: sums.lossGrown / finite,
        agreement: sums.agreeing / finite,
        newTokenShare: sums.newTokenShare / finite,
      };
    },
    worst: () => ranked,
    details() {
      const all = (tokens - nonFinite) * vocab;
      const bounds = [all, ...above];
      const counts = bounds.map((count, i) => count - (bounds[i + 1] ?? 0));
      return { histogram: { edges: histogramEdges, counts }, byPosition: losses.result() };
    },
  };
}

/** Below this difference, moments of δ give the KL divergence more accurately than the logarithms do. */
const momentLimit = 0.1;

/**
 * KL divergence of one position in nats. With the moments of δ it is log(Σ p·e^δ / (1 − s)) − Σ p·δ, where s is
 * the share of new tokens; the logarithms of float32 probabilities would be off by about 1e-6.
 */
function computeKl(read: (name: Statistic) => number): number {
  if (!(read('maxLogit') < momentLimit)) return read('kl');
  const mean = read('moment1');
  const rise = mean + read('moment2') / 2 + read('moment3') / 6;
  return Math.max(0, Math.log1p(rise) - Math.log1p(-read('newTokenShare')) - mean);
}

/** Inserts a position among the worst, which stay sorted; the earlier of two equal ones comes first. */
function rank(ranked: RankedPosition[], position: RankedPosition, by: 'maxLogit' | 'kl'): void {
  const at = ranked.findIndex((other) => other[by] < position[by]);
  if (at < 0 && ranked.length >= certificateLimits.worst) return;
  ranked.splice(at < 0 ? ranked.length : at, 0, position);
  ranked.length = Math.min(ranked.length, certificateLimits.worst);
}

interface LossTable {
  add(position: Pick<RankedPosition, 'position' | 'lossSource' | 'lossGrown'>): void;
  result(): LossByPosition;
}

/** Mean losses by position in the window, in a bounded number of bins. */
function createLossTable(contextLength: number): LossTable {
  const width = Math.ceil(contextLength / certificateLimits.positions);
  const bins = Math.ceil(contextLength / width);
  const counts = new Float64Array(bins);
  const source = new Float64Array(bins);
  const grown = new Float64Array(bins);
  const meansOf = (sums: Float64Array): number[] => [...sums].map((sum, i) => sum / Math.max(1, counts[i]!));
  return {
    add({ position, lossSource, lossGrown }) {
      const bin = Math.floor(position / width);
      counts[bin]!++;
      source[bin]! += lossSource;
      grown[bin]! += lossGrown;
    },
    result: () => ({ width, source: meansOf(source), grown: meansOf(grown) }),
  };
}
