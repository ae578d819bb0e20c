/**
 * @file How far two models' logits lie apart on the same tokens, and how far an exact growth may let them.
 */
import type { LogitDifference } from '../model/summary.ts';
import type { WeightDType } from '../tensor/dtype.ts';

/**
 * What rounding of weights may move logits whose root mean square is 1 (measured in methods.md 1.12:
 * summation order in float32, rounding of W ± N in the others).
 */
const rounding: Readonly<Record<WeightDType, number>> = { float32: 1e-4, float16: 1e-2, bfloat16: 6e-2 };

/**
 * The largest difference of a logit that an exact growth may show. `dtypes` are those of the grown weights;
 * larger logits are rounded more.
 */
export const computeTolerance = (dtypes: readonly WeightDType[], rmsLogit: number): number =>
  Math.max(...dtypes.map((dtype) => rounding[dtype])) * Math.max(1, rmsLogit);

export interface LogitComparison {
  /**
   * Logits [positions, vocab] of both models and the token that follows each position, or -1 where none does.
   */
  add(source: ArrayLike<number>, grown: ArrayLike<number>, next: ArrayLike<number>): void;
  result(): LogitDifference;
}

/**
 * Compares block by block, so that logits of long texts need not be held; sums in float64. A logit that is
 * not a number makes every figure NaN.
 */
export function createLogitComparison(vocab: number): LogitComparison {
  let tokens = 0;
  let targets = 0;
  let max = 0;
  let squares = 0;
  let kl = 0;
  let lossSource = 0;
  let lossGrown = 0;
  let same = 0;
  return {
    add(source, grown, next) {
      for (let t = 0; t < next.length; t++) {
        const at = t * vocab;
        const p = logSumOf(source, at, vocab);
        const q = logSumOf(grown, at, vocab);
        for (let v = at; v < at + vocab; v++) {
          const gap = Math.abs(source[v]! - grown[v]!);
          if (gap > max || Number.isNaN(gap)) max = gap; // and NaN stays, as nothing is above it
          squares += source[v]! ** 2;
          kl += Math.exp(source[v]! - p.sum) * (source[v]! - p.sum - (grown[v]! - q.sum));
        }
        tokens++;
        same += Number(p.best === q.best);
        if (next[t]! < 0) continue;
        targets++;
        lossSource += p.sum - source[at + next[t]!]!;
        lossGrown += q.sum - grown[at + next[t]!]!;
      }
    },
    result: () => ({
      tokens,
      maxLogit: max,
      rmsLogit: Math.sqrt(squares / (tokens * vocab)),
      kl: Math.max(0, kl / tokens),
      lossSource: lossSource / targets,
      lossGrown: lossGrown / targets,
      agreement: same / tokens,
    }),
  };
}

/** log Σ exp of one position's logits, and which is the largest (counted from the position's first). */
function logSumOf(
  logits: ArrayLike<number>,
  at: number,
  vocab: number,
): { readonly sum: number; readonly best: number } {
  let best = 0;
  for (let v = 1; v < vocab; v++) if (logits[at + v]! > logits[at + best]!) best = v;
  const top = logits[at + best]!;
  let total = 0;
  for (let v = 0; v < vocab; v++) total += Math.exp(logits[at + v]! - top);
  return { sum: top + Math.log(total), best };
}
