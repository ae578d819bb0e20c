/** @file The loss of a candidate at the planned length: a power law through the training losses of its probes. */
import { forecast } from '../cost/forecast.ts';

export interface Extrapolation {
  /** Training loss at the planned length and a constant learning rate, with its 90 % band. Nats per token. */
  readonly loss: number;
  readonly low: number;
  readonly high: number;
}

/** There is no forecast; `why` is a clause. */
export interface NoExtrapolation {
  readonly why: string;
}

/** The losses of a probe by step, from step 1; NaN where a step has none. */
export type StepLosses = readonly number[];

/**
 * Extrapolates to step `steps` from the mean of the probes of all seeds, as far as all of them go. The first
 * `warmup` steps are not fitted.
 */
export function extrapolate(
  probes: readonly StepLosses[],
  { warmup, steps }: { readonly warmup: number; readonly steps: number },
): Extrapolation | NoExtrapolation {
  const length = Math.min(...probes.map((losses) => losses.length));
  const numbers: number[] = [];
  const means: number[] = [];
  for (let i = 0; i < length; i++) {
    const loss = probes.reduce((sum, losses) => sum + losses[i]!, 0) / probes.length;
    if (!Number.isFinite(loss)) continue;
    numbers.push(i + 1);
    means.push(loss);
  }
  const found = forecast(numbers, means, { warmup, steps });
  if (found.type === 'too early') return { why: found.why };
  return { loss: found.loss, low: found.low, high: found.high };
}
