/** @file AdamW (Loshchilov and Hutter 2019; torch.optim.AdamW). */
import { add, constant, div, mul, sqrt, square } from '../../graph/ops/build.ts';
import { fusedAdamW } from '../../graph/ops/kernels/adamw.ts';
import { normShare } from './norm-share.ts';
import type { Rule } from './rule.ts';

/**
 * m' = β1 m + (1-β1) g; v' = β2 v + (1-β2) g²; Δ = lr (wd p + √b2/b1 · m' / (√v' + eps √b2)),
 * with b1 = 1 - β1^t and b2 = 1 - β2^t.
 * Scalars are multiplied with each other before they touch the state.
 * The step does not depend on the gradient's scale, so a grown weight needs lr·c and eps·f.
 */
export const adamw: Rule = {
  parts: ['expAvg', 'expAvgSq'],
  scale: (factors, parameter) => ({
    lrScale: factors?.lrScale ?? 1,
    epsScale: factors?.gradScale ?? 1,
    normShare: normShare(factors, parameter),
  }),
  move(bucket, state, gradient, { beta1, beta2, eps, weightDecay }, values) {
    const { lr, clipScale, decay, biasCorrection1, biasCorrection2 } = values;
    const expAvg = add(mul(state('expAvg'), decay(beta1)), mul(gradient, mul(clipScale, 1 - beta1)));
    const expAvgSq = add(
      mul(state('expAvgSq'), decay(beta2)),
      mul(square(gradient), mul(square(clipScale), 1 - beta2)),
    );
    const stepSize = mul(mul(lr, bucket.lrScale), div(biasCorrection2, biasCorrection1));
    const denominator = add(sqrt(expAvgSq), mul(biasCorrection2, eps * bucket.epsScale));
    const step = div(mul(expAvg, stepSize), denominator);
    const hasDecay = bucket.hasWeightDecay && weightDecay > 0;
    return {
      step,
      next: { expAvg, expAvgSq },
      ...(hasDecay ? { weightDecay: mul(lr, weightDecay) } : {}),
    };
  },
  moveByKernel(bucket, state, gradient, { beta1, beta2, eps, weightDecay }, values) {
    const { on, lr, clipScale, decay, biasCorrection1, biasCorrection2 } = values;
    const hasDecay = bucket.hasWeightDecay && weightDecay > 0;
    const tensors = {
      weights: state('weights'),
      expAvg: state('expAvg'),
      expAvgSq: state('expAvgSq'),
      gradient,
    };
    const scalars = {
      on,
      clipScale,
      decay1: decay(beta1),
      decay2: decay(beta2),
      stepSize: mul(mul(lr, bucket.lrScale), div(biasCorrection2, biasCorrection1)),
      epsilon: mul(biasCorrection2, eps * bucket.epsScale),
      weightDecay: hasDecay ? mul(lr, weightDecay) : constant(0),
    };
    const { weights, expAvg, expAvgSq, stepSquares, weightSquares } = fusedAdamW(tensors, scalars, {
      beta1,
      beta2,
    });
    return { next: { weights, expAvg, expAvgSq }, stepSquares, weightSquares };
  },
};
