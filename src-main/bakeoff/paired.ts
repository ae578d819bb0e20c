/**
 * @file The difference between two models that were trained on the same batches and read the same held-out
 * windows, with a confidence interval.
 */
import { criticalT } from './student-t.ts';

/** The loss of each held-out window, for each seed. Nats per token. */
export type SeedLosses = readonly (readonly number[])[];

export interface Difference {
  /** Mean over windows and seeds. Nats per token; negative where the first model is better. */
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The mean loss over all windows and seeds. */
export const meanLoss = (losses: SeedLosses): number => mean(losses.map(mean));

/** The variance of a mean, and the degrees of freedom with which it is known. */
export interface ErrorVariance {
  readonly variance: number;
  readonly df: number;
}

/** The variance of the mean of independent values. */
function errorOf(values: readonly number[]): ErrorVariance {
  const center = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - center) ** 2, 0);
  const df = values.length - 1;
  return { variance: squares / df / values.length, df };
}

/**
 * How much the difference of two models varies with the seed, estimated from several models at once: what is left
 * of their mean losses after the effects of model and of seed are taken away (a randomized block design, where the
 * seed, which all share, is the block). Undefined for one seed or one model.
 */
export function pooledSeedError(models: readonly SeedLosses[]): ErrorVariance | undefined {
  const means = models.map((losses) => losses.map(mean));
  const seeds = means[0]?.length ?? 0;
  const df = (means.length - 1) * (seeds - 1);
  if (df <= 0) return undefined;
  const ofModel = means.map(mean);
  const ofSeed = Array.from({ length: seeds }, (_, s) => mean(means.map((row) => row[s]!)));
  const overall = mean(ofModel);
  const squares = means.flatMap((row, m) =>
    row.map((value, s) => (value - ofModel[m]! - ofSeed[s]! + overall) ** 2),
  );
  const residual = squares.reduce((sum, square) => sum + square, 0) / df;
  return { variance: (2 * residual) / seeds, df };
}

/**
 * Losses of `a` minus those of `b`, seed by seed and window by window. The interval holds with probability of at
 * least 1 - `alpha` for other windows of the same text, and with two seeds or more for other seeds too: the half
 * widths of both intervals are added as squares. `seedError` replaces the variance over the seeds of this pair,
 * which two seeds tell very little about. Needs two windows.
 */
export function pairedDifference(
  a: SeedLosses,
  b: SeedLosses,
  alpha: number,
  seedError?: ErrorVariance,
): Difference {
  const differences = a.map((windows, seed) => windows.map((loss, i) => loss - b[seed]![i]!));
  const byWindow = differences[0]!.map((_, i) => mean(differences.map((windows) => windows[i]!)));
  const bySeed = differences.map(mean);
  const ofSeeds = bySeed.length > 1 ? [seedError ?? errorOf(bySeed)] : [];
  const halves = [errorOf(byWindow), ...ofSeeds].map(
    ({ variance, df }) => criticalT(alpha, df) * Math.sqrt(variance),
  );
  const half = Math.hypot(...halves);
  const center = mean(bySeed);
  return { mean: center, low: center - half, high: center + half };
}
