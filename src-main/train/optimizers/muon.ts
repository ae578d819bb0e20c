/**
 * @file Muon (Jordan et al. 2024; torch.optim.Muon): the momentum of each matrix with its singular values
 * brought near one.
 */
import {
  add,
  concat,
  div,
  matmul,
  max,
  mul,
  reshape,
  split,
  sqrt,
  sumSquares,
  type Value,
} from '../../graph/ops/build.ts';
import { normShare } from './norm-share.ts';
import type { Rule } from './rule.ts';

/** Coefficients of the quintic and how often it is applied: Jordan's own. */
const [a, b, c] = [3.4445, -4.775, 2.0315] as const;
const rounds = 5;
const smallest = 1e-7;

/**
 * Brings a matrix [rows, columns] near U·Vᵀ of its singular value decomposition (singular values between
 * about 0.7 and 1.2) by Newton-Schulz rounds on the shorter side.
 */
export function orthogonalized(matrix: Value): Value {
  const [rows, columns] = matrix.shape as [number, number];
  const tall = rows > columns;
  let x = div(matrix, max(sqrt(sumSquares(matrix)), smallest));
  for (let round = 0; round < rounds; round++) {
    const gram = tall ? matmul(x, x, { transA: true }) : matmul(x, x, { transB: true });
    const inner = add(mul(gram, b), matmul(gram, gram, { alpha: c }));
    x = add(mul(x, a), tall ? matmul(x, inner) : matmul(inner, x));
  }
  return x;
}

/** Moves as long as AdamW's, so that both share a learning rate and a decay (Liu et al. 2025, Moonlight). */
const length = (shape: readonly number[]): number => 0.2 * Math.sqrt(Math.max(...shape));

/**
 * m' = μ m + (1-μ) g; Δ = lr (decay p + 0.2 √max(rows, columns) · orthogonalized((1-μ) g + μ m')).
 * A matrix of copies has the source's singular vectors, each spread over √(1/(c·f)) times as much: its move
 * is √(c·f) times the source's and has to be c times it.
 */
export const muon: Rule = {
  parts: ['momentum'],
  scaled: (factors, p) => ({
    rate: factors ? (Math.sqrt(factors.rate / factors.gradient) * length(factors.from)) / length(p.shape) : 1,
    eps: 1,
    share: normShare(factors, p),
  }),
  move(bucket, state, gradient, { decay, momentum: share }, { rate, gain, kept }) {
    const fresh = mul(gradient, mul(gain, 1 - share));
    const momentum = add(mul(state('momentum'), kept(share)), fresh);
    const ahead = add(fresh, mul(momentum, share));
    const cut =
      bucket.slots.length === 1
        ? [ahead]
        : split(
            ahead,
            bucket.slots.map((s) => s.count),
            0,
          );
    const moves = bucket.slots.map(({ shape, count }, i) =>
      mul(reshape(orthogonalized(reshape(cut[i]!, shape)), [count]), mul(rate, bucket.rate * length(shape))),
    );
    const step = moves.length === 1 ? moves[0]! : concat(moves, 0);
    return {
      change: bucket.decays && decay > 0 ? add(step, mul(state('weights'), mul(rate, decay))) : step,
      next: { momentum },
    };
  },
};
