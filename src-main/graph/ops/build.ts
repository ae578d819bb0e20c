/** @file All functions that build values, in one place to import from. */
import type { Value } from '../graph.ts';
import { largestFinite } from '../types.ts';
import { and, greater, less } from './logic.ts';

export { gelu, silu } from './activation.ts';
export { addMask, applyRotary, attend, causalAttention } from './decoder.ts';
export {
  accumulate,
  add,
  clip,
  div,
  erf,
  exp,
  log,
  max,
  min,
  mul,
  neg,
  pow,
  reciprocal,
  relu,
  sigmoid,
  sqrt,
  square,
  sub,
  tanh,
} from './elementwise.ts';
export { constant, graphOf, input, lazyConstant, type Graph, type Shape, type Value } from '../graph.ts';
export { canFlash, flashAttention } from './kernels/attention.ts';
export { and, cast, equal, greater, less, not, or, where, type Operand } from './logic.ts';
export { gather, gatherElements, oneHot, scatterAdd, scatterAddRows } from './lookup.ts';
export {
  concat,
  expand,
  full,
  identity,
  pad,
  reshape,
  slice,
  split,
  squeeze,
  swapLastAxes,
  transpose,
  unsqueeze,
  zerosLike,
} from './movement.ts';
export { matmul } from './matmul.ts';
export { cumsum, mean, reduceMax, sum, sumSquares } from './reduce.ts';
export { layerNorm, rmsNorm, type Norm } from './norm.ts';
export { loadBalancingLoss, routingWeights, topKMask } from './routing.ts';
export { crossEntropy, logSoftmax, softmax } from './softmax.ts';

/**
 * Whether each element is strictly inside the range of its type: false for NaN and infinities. It only
 * compares, which every provider can do.
 */
export function isFinite(x: Value): Value {
  const limit = largestFinite[x.dtype as keyof typeof largestFinite];
  return and(less(x, limit), greater(x, -limit));
}
