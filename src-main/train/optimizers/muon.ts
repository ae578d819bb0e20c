/** @file Muon (Jordan et al. 2024; torch.optim.Muon): momentum with its singular values brought near one. */
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
import type { Bucket } from '../bucket.ts';
import { normShare } from './norm-share.ts';
import type { Rule } from './rule.ts';

/** Jordan's coefficients of the quintic, and the number of Newton-Schulz iterations. */
const a = 3.4445;
const b = -4.775;
const c = 2.0315;
const iterations = 5;
const smallestNorm = 1e-7;

/**
 * Brings a matrix [rows, columns] near U·Vᵀ of its singular value decomposition (singular values between about
 * 0.7 and 1.2), by Newton-Schulz iterations on the shorter side.
 */
export function orthogonalize(matrix: Value): Value {
  const [rows, columns] = matrix.shape as [number, number];
  const isTall = rows > columns;
  let x = div(matrix, max(sqrt(sumSquares(matrix)), smallestNorm));
  for (let i = 0; i < iterations; i++) {
    const gram = isTall ? matmul(x, x, { transA: true }) : matmul(x, x, { transB: true });
    const inner = add(mul(gram, b), matmul(gram, gram, { alpha: c }));
    x = add(mul(x, a), isTall ? matmul(x, inner) : matmul(inner, x));
  }
  return x;
}

/** Makes an update as long as AdamW's, so that both share lr and weight decay (Liu et al. 2025, Moonlight). */
const updateScale = (shape: readonly number[]): number => 0.2 * Math.sqrt(Math.max(...shape));

/** The matrices of a bucket, cut out of a flat value. */
function matricesOf({ slots }: Bucket, flat: Value): readonly Value[] {
  const counts = slots.map((slot) => slot.count);
  const parts = slots.length === 1 ? [flat] : split(flat, counts, 0);
  return slots.map((slot, i) => reshape(parts[i]!, slot.shape));
}

/**
 * m' = μ m + (1-μ) g; Δ = lr (wd p + 0.2 √max(rows, columns) · orthogonalize((1-μ) g + μ m')).
 * A matrix of copies has the source's singular vectors, each spread over √(1/(c·f)) as many entries: its update
 * is √(c·f) times the source's and has to be c times it.
 */
export const muon: Rule = {
  parts: ['momentum'],
  scale: (factors, parameter) => ({
    lrScale: factors
      ? (Math.sqrt(factors.lrScale / factors.gradScale) * updateScale(factors.from)) /
        updateScale(parameter.shape)
      : 1,
    epsScale: 1,
    normShare: normShare(factors, parameter),
  }),
  move(bucket, state, gradient, { weightDecay, momentum: mu }, { lr, clipScale, decay }) {
    const fresh = mul(gradient, mul(clipScale, 1 - mu));
    const momentum = add(mul(state('momentum'), decay(mu)), fresh);
    const lookahead = add(fresh, mul(momentum, mu));
    const moves = matricesOf(bucket, lookahead).map((matrix, i) => {
      const { shape, count } = bucket.slots[i]!;
      const flat = reshape(orthogonalize(matrix), [count]);
      return mul(flat, mul(lr, bucket.lrScale * updateScale(shape)));
    });
    const step = moves.length === 1 ? moves[0]! : concat(moves, 0);
    const hasDecay = bucket.hasWeightDecay && weightDecay > 0;
    return { step, next: { momentum }, ...(hasDecay ? { weightDecay: mul(lr, weightDecay) } : {}) };
  },
};
