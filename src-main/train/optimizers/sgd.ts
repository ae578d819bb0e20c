/** @file Stochastic gradient descent with momentum, decay as part of the gradient (torch.optim.SGD). */
import { add, mul } from '../../graph/ops/build.ts';
import { normShare } from './norm-share.ts';
import type { Rule } from './rule.ts';

/**
 * b' = μ b + g + decay p; Δ = lr b'. Its steps have the gradient's scale: grown weights need lr·c/f, and
 * decay·f/c (methods.md 1.11).
 */
export const sgd: Rule = {
  parts: ['momentum'],
  scaled: (factors, p) => ({
    rate: factors ? factors.rate / factors.gradient : 1,
    eps: 1,
    share: normShare(factors, p),
  }),
  move(bucket, state, gradient, { decay, momentum: share }, { on, rate, gain, kept }) {
    const clipped = mul(gradient, gain);
    const pulled =
      bucket.decays && decay > 0
        ? add(clipped, mul(state('weights'), mul(on, decay / bucket.rate)))
        : clipped;
    const momentum = add(mul(state('momentum'), kept(share)), pulled);
    return { change: mul(momentum, mul(rate, bucket.rate)), next: { momentum } };
  },
};
