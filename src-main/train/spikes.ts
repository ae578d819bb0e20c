/**
 * @file Which steps are left out: those whose loss or gradient norm is a spike among the newest ones, or not
 * finite. The limits come from past steps, so that the device decides within a step and asks nobody.
 */
import { unbounded } from './update.ts';

/** The newest finite losses and norms, oldest first; and how many steps in a row were not finite. */
export interface Watch {
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  readonly bad: number;
}
export const nothingSeen: Watch = { losses: [], norms: [], bad: 0 };

/**
 * Steps that are remembered, and how many it takes to judge by (as OLMo-core's SkipStepOptimizer has it: 128,
 * and half of them).
 */
const remembered = 128;
const least = 64;

/**
 * Largest loss and norm of the next step: `deviations` standard deviations over the mean of those remembered.
 * No bound but being finite, as long as too few are known, or for 0 deviations.
 */
export function limitsOf(
  { losses, norms }: Watch,
  deviations: number,
): { readonly loss: number; readonly norm: number } {
  const bound = (values: readonly number[]): number => {
    if (deviations <= 0 || values.length < least) return unbounded;
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1);
    return Math.fround(mean + deviations * Math.sqrt(variance));
  };
  return { loss: bound(losses), norm: bound(norms) };
}

/** With one more step. Spikes count too: what lasts is no spike. */
export function watched(
  { losses, norms, bad }: Watch,
  { loss, norm }: { readonly loss: number; readonly norm: number },
): Watch {
  if (!Number.isFinite(loss) || !Number.isFinite(norm)) return { losses, norms, bad: bad + 1 };
  return { losses: [...losses, loss].slice(-remembered), norms: [...norms, norm].slice(-remembered), bad: 0 };
}
