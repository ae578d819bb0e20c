/**
 * @file Skips a step whose loss or gradient norm is an outlier or not finite. The limits come from past steps,
 * so the device decides within a step.
 */
import { noLimit, type StepLimits } from './update.ts';

/** What the limits are computed from. It is saved with a checkpoint. */
export interface SpikeHistory {
  /** The newest finite losses, oldest first. */
  readonly losses: readonly number[];
  /** The newest finite gradient norms, oldest first. */
  readonly gradNorms: readonly number[];
  /** Steps in a row, up to now, that were not finite. */
  readonly nonFinite: number;
}
export const emptyHistory: SpikeHistory = { losses: [], gradNorms: [], nonFinite: 0 };

/** Steps that are kept, and the fewest that limits are computed from (OLMo-core's SkipStepOptimizer). */
const windowLength = 128;
const minimumSteps = 64;

/**
 * The limits of the next step: `threshold` standard deviations above the mean of the kept steps. With too few
 * steps, or a threshold of 0, a step only has to be finite.
 */
export function limitsOf({ losses, gradNorms }: SpikeHistory, threshold: number): StepLimits {
  const limit = (values: readonly number[]): number => {
    if (threshold <= 0 || values.length < minimumSteps) return noLimit;
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1);
    return Math.fround(mean + threshold * Math.sqrt(variance));
  };
  return { loss: limit(losses), gradNorm: limit(gradNorms) };
}

/** The history with one more step. Outliers are kept too, so that a lasting change is no outlier for long. */
export function addStep(
  { losses, gradNorms, nonFinite }: SpikeHistory,
  { loss, gradNorm }: { readonly loss: number; readonly gradNorm: number },
): SpikeHistory {
  if (!Number.isFinite(loss) || !Number.isFinite(gradNorm))
    return { losses, gradNorms, nonFinite: nonFinite + 1 };
  return {
    losses: [...losses, loss].slice(-windowLength),
    gradNorms: [...gradNorms, gradNorm].slice(-windowLength),
    nonFinite: 0,
  };
}
