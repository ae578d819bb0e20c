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

/** Squared standard error of the mean of independent values. */
function squaredError(values: readonly number[]): number {
  const center = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - center) ** 2, 0);
  return squares / (values.length - 1) / values.length;
}

/**
 * Losses of `a` minus those of `b`, seed by seed and window by window. The interval holds with probability
 * 1 - `alpha` for other windows of the same text, and with two seeds or more for other seeds too: the variances of
 * the window means and of the seed means are added, with the degrees of freedom of Welch and Satterthwaite. Two
 * seeds that disagree therefore give a wide interval. Needs two windows.
 */
export function pairedDifference(a: SeedLosses, b: SeedLosses, alpha: number): Difference {
  const differences = a.map((windows, seed) => windows.map((loss, i) => loss - b[seed]![i]!));
  const byWindow = differences[0]!.map((_, i) => mean(differences.map((windows) => windows[i]!)));
  const bySeed = differences.map(mean);
  const parts = [byWindow, ...(bySeed.length > 1 ? [bySeed] : [])].map((values) => ({
    variance: squaredError(values),
    df: values.length - 1,
  }));
  const variance = parts.reduce((sum, part) => sum + part.variance, 0);
  const center = mean(bySeed);
  if (variance === 0) return { mean: center, low: center, high: center };
  const df = variance ** 2 / parts.reduce((sum, part) => sum + part.variance ** 2 / part.df, 0);
  const half = criticalT(alpha, df) * Math.sqrt(variance);
  return { mean: center, low: center - half, high: center + half };
}
