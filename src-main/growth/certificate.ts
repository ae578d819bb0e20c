/** @file Compares the logits of two models on the same tokens, and decides which differences are rounding. */
import type { LogitDifference } from '../model/summary.ts';
import type { WeightDType } from '../tensor/dtype.ts';

/**
 * The largest logit difference from rounding weights, for logits with a root mean square of 1. Measured: the
 * order of sums in float32, and the rounding of W ± N in 16-bit types (docs/methods.md, Certificate and
 * tolerances).
 */
const tolerances: Readonly<Record<WeightDType, number>> = { float32: 1e-4, float16: 1e-2, bfloat16: 6e-2 };

/**
 * The largest logit difference that an exact growth may show. `dtypes` are those of the grown weights. Grows
 * with the logits, because larger logits have larger rounding errors.
 */
export const computeTolerance = (dtypes: readonly WeightDType[], rmsLogit: number): number =>
  Math.max(...dtypes.map((dtype) => tolerances[dtype])) * Math.max(1, rmsLogit);

export interface LogitComparison {
  /**
   * Adds a block of positions. `source` and `grown` are logits [positions, vocab]; `next` is the token that
   * follows each position, or -1 if none does.
   */
  add(source: ArrayLike<number>, grown: ArrayLike<number>, next: ArrayLike<number>): void;
  result(): LogitDifference;
}

/**
 * Compares logits block by block, to save memory. Sums are in float64. A NaN logit makes every result NaN.
 */
export function createLogitComparison(vocab: number): LogitComparison {
  let tokens = 0;
  let targets = 0;
  let maxLogit = 0;
  let squares = 0;
  let kl = 0;
  let lossSource = 0;
  let lossGrown = 0;
  let agreeing = 0;
  return {
    add(source, grown, next) {
      for (let t = 0; t < next.length; t++) {
        const start = t * vocab;
        const p = computeLogSum(source, start, vocab);
        const q = computeLogSum(grown, start, vocab);
        for (let v = start; v < start + vocab; v++) {
          const gap = Math.abs(source[v]! - grown[v]!);
          // NaN stays, because no number is greater than NaN.
          if (gap > maxLogit || Number.isNaN(gap)) maxLogit = gap;
          squares += source[v]! ** 2;
          kl += Math.exp(source[v]! - p.logSum) * (source[v]! - p.logSum - (grown[v]! - q.logSum));
        }
        tokens++;
        if (p.argmax === q.argmax) agreeing++;
        if (next[t]! < 0) continue;
        targets++;
        lossSource += p.logSum - source[start + next[t]!]!;
        lossGrown += q.logSum - grown[start + next[t]!]!;
      }
    },
    result: () => ({
      tokens,
      maxLogit,
      rmsLogit: Math.sqrt(squares / (tokens * vocab)),
      kl: Math.max(0, kl / tokens),
      lossSource: lossSource / targets,
      lossGrown: lossGrown / targets,
      agreement: agreeing / tokens,
    }),
  };
}

/** log Σ exp of the logits of one position, and the index of the largest within the position. */
function computeLogSum(
  logits: ArrayLike<number>,
  start: number,
  vocab: number,
): { readonly logSum: number; readonly argmax: number } {
  let argmax = 0;
  for (let v = 1; v < vocab; v++) if (logits[start + v]! > logits[start + argmax]!) argmax = v;
  const top = logits[start + argmax]!;
  let total = 0;
  for (let v = 0; v < vocab; v++) total += Math.exp(logits[start + v]! - top);
  return { logSum: top + Math.log(total), argmax };
}
