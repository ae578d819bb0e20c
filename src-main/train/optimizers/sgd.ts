/** @file Stochastic gradient descent with momentum; weight decay is part of the gradient (torch.optim.SGD). */
import { add, mul } from '../../graph/ops/build.ts';
import { normShare } from './norm-share.ts';
import type { Rule } from './rule.ts';

/**
 * b' = μ b + g + wd p; Δ = lr b'. The step has the gradient's scale, so a grown weight needs lr·c/f and wd·f/c.
 */
export const sgd: Rule = {
  parts: ['momentum'],
  scale: (factors, parameter) => ({
    lrScale: factors ? factors.lrScale / factors.gradScale : 1,
    epsScale: 1,
    normShare: normShare(factors, parameter),
  }),
  move(bucket, state, gradient, { weightDecay, momentum: mu }, { on, lr, clipScale, decay }) {
    const clipped = mul(gradient, clipScale);
    const hasDecay = bucket.hasWeightDecay && weightDecay > 0;
    const pulled = hasDecay
      ? add(clipped, mul(state('weights'), mul(on, weightDecay / bucket.lrScale)))
      : clipped;
    const momentum = add(mul(state('momentum'), decay(mu)), pulled);
    return { step: mul(momentum, mul(lr, bucket.lrScale)), next: { momentum } };
  },
};
