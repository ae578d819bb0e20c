/** @file Everything that makes values, in one place to import from, and small composites. */
import type { Value } from '../graph.ts';
import { and, greater, less } from './logic.ts';

export { gelu, silu } from './activation.ts';
export { attend, masked, rmsNormalize, rotate } from './decoder.ts';
export {
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
export { constant, constantBy, graphOf, input, type Graph, type Shape, type Value } from '../graph.ts';
export { and, cast, equal, greater, less, not, or, where, type Operand } from './logic.ts';
export { gather, gatherElements, oneHot, scatterElements, scatterRows } from './lookup.ts';
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
  swapLast,
  transpose,
  unsqueeze,
  zerosLike,
} from './movement.ts';
export { matmul } from './product.ts';
export { cumulative, mean, reduceMax, sum, sumSquares } from './reduce.ts';
export { route, top, unevenness } from './routing.ts';
export { crossEntropy, logSoftmax, softmax } from './softmax.ts';

const largest = {
  float16: 65504,
  bfloat16: 3.3895313892515355e38,
  float32: 3.4028234663852886e38,
  float64: Number.MAX_VALUE,
} as const;

/**
 * Whether each element lies strictly inside its type's range: false for NaN and the infinities. Comparisons
 * only, which every provider has.
 */
export function isFinite(x: Value): Value {
  const most = largest[x.dtype as keyof typeof largest];
  return and(less(x, most), greater(x, -most));
}
