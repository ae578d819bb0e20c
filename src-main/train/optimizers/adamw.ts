/**
 * @file AdamW (Loshchilov and Hutter 2019; torch.optim.AdamW), arranged so that scalars meet before they meet
 * the state.
 */
import { add, div, mul, sqrt, square } from '../../graph/ops/build.ts';
import { normShare } from './norm-share.ts';
import type { Rule } from './rule.ts';

/**
 * m' = β1 m + (1-β1) g; v' = β2 v + (1-β2) g²; Δ = lr (decay p + √b2/b1 · m' / (√v' + eps √b2)), with b = 1 -
 * β^t. Its steps have no scale: grown weights need lr·c and eps·f (methods.md 1.11).
 */
export const adamw: Rule = {
  parts: ['mean', 'square'],
  scaled: (factors, p) => ({
    rate: factors?.rate ?? 1,
    eps: factors?.gradient ?? 1,
    share: normShare(factors, p),
  }),
  move(
    bucket,
    state,
    gradient,
    { beta1, beta2, eps, decay },
    { rate, gain, kept, correction1, correction2 },
  ) {
    const mean = add(mul(state('mean'), kept(beta1)), mul(gradient, mul(gain, 1 - beta1)));
    const squares = add(
      mul(state('square'), kept(beta2)),
      mul(square(gradient), mul(square(gain), 1 - beta2)),
    );
    const step = div(
      mul(mean, mul(mul(rate, bucket.rate), div(correction2, correction1))),
      add(sqrt(squares), mul(correction2, eps * bucket.eps)),
    );
    const change = bucket.decays && decay > 0 ? add(step, mul(state('weights'), mul(rate, decay))) : step;
    return { change, next: { mean, square: squares } };
  },
};
