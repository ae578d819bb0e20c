/**
 * @file Samples of every op: inputs, and how to build it from them. The suites loop over this table, and it
 * must cover the op table.
 */
import * as b from '../../src-main/graph/ops/build.ts';
import type { Value } from '../../src-main/graph/graph.ts';
import type { OpName } from '../../src-main/graph/ops/index.ts';
import type { DType } from '../../src-main/tensor/dtype.ts';
import { tensor, type Tensor } from '../support/evaluate.ts';

export interface Feed {
  readonly dtype: DType;
  readonly value: Tensor;
}
export interface Sample {
  readonly feeds: readonly Feed[];
  readonly make: (...inputs: Value[]) => Value | readonly Value[];
}

let state = 1;
/** Reproducible numbers in [0, 1): mulberry32. */
function random(): number {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const fed = (dtype: DType, shape: readonly number[], next: () => number): Feed => ({
  dtype,
  value: tensor(shape, Array.from({ length: shape.reduce((n, s) => n * s, 1) }, next)),
});

/** Floats in (-2, 2), exact in float32, none of them closer than 0.02 to zero. */
export const f = (...shape: number[]): Feed =>
  fed('float32', shape, () => Math.fround((random() < 0.5 ? -1 : 1) * (0.02 + 1.98 * random())));
/** Positive floats in (0.3, 2.3). */
const pos = (...shape: number[]): Feed => fed('float32', shape, () => Math.fround(0.3 + 2 * random()));
/** Integers below `end`, with repetitions. */
const ids = (end: number, dtype: DType, ...shape: number[]): Feed =>
  fed(dtype, shape, () => Math.floor(random() * end));
const bits = (...shape: number[]): Feed => ids(2, 'bool', ...shape);

const s = (make: Sample['make'], ...feeds: Feed[]): Sample => ({ make, feeds });
/** A constant: what nothing flows into (masks, angles). */
const still = (...shape: number[]): Value => b.constant(f(...shape).value.data, 'float32', shape);
const matmul = (x: Value, y: Value): Value => b.matmul(x, y);
/** A pair of equal shapes, and each way of broadcasting. */
const pairs = (make: (a: Value, b: Value) => Value, x = f, y = f): Sample[] => [
  s(make, x(2, 3), y(2, 3)),
  s(make, x(2, 3), y(3)),
  s(make, x(2, 1), y(3)),
  s(make, x(), y(2, 2)),
  s(make, x(2, 3, 2), y(2, 1, 1)),
  s(make, x(1, 3), y(4, 1)),
];
const one = (make: (x: Value) => Value, x = f): Sample[] => [s(make, x(2, 3)), s(make, x())];

export const samples: Readonly<Record<OpName, readonly Sample[]>> = {
  Add: [...pairs(b.add), s((x) => b.add(x, 2), f(3)), s((x) => b.add(x, x), f(3))],
  Sub: [...pairs(b.sub), s((x) => b.sub(1, x), f(3))],
  Mul: [...pairs(b.mul), s((x) => b.square(x), f(2, 3)), s((x) => b.mul(0.1, x), f(3))],
  Div: [...pairs(b.div, f, pos), s((x) => b.div(1, x), pos(3))],
  Pow: [...pairs(b.pow, pos, f), s((x) => b.pow(x, 3), pos(3)), s((x) => b.pow(0.9, x), f(3))],
  Min: pairs(b.min),
  Max: pairs(b.max),
  Neg: one(b.neg),
  Reciprocal: one(b.reciprocal, pos),
  Sqrt: one(b.sqrt, pos),
  Exp: one(b.exp),
  Log: one(b.log, pos),
  Tanh: one(b.tanh),
  Erf: one(b.erf),
  Sigmoid: one(b.sigmoid),
  Relu: one(b.relu),
  Clip: [s((x) => b.clip(x, -0.5, 0.75), f(3, 4))],
  Silu: one(b.silu),
  Gelu: [
    ...one((x) => b.gelu(x, 'tanh')),
    ...one((x) => b.gelu(x, 'none')),
    s((x) => b.gelu(b.mul(x, 3), 'none'), f(3, 4)),
  ],
  Greater: pairs(b.greater),
  Less: pairs(b.less),
  Equal: [
    s(b.equal, ids(2, 'int64', 2, 3), ids(2, 'int64', 3)),
    s(b.equal, ids(2, 'float32', 2, 3), ids(2, 'float32', 2, 1)),
  ],
  And: [s(b.and, bits(3, 4), bits(4))],
  Or: [s(b.or, bits(3, 4), bits(4))],
  Not: [s(b.not, bits(5))],
  Where: [
    s(b.where, bits(2, 3), f(2, 3), f(2, 3)),
    s(b.where, bits(2, 1), f(3), f()),
    s((c, x) => b.where(c, x, 0), bits(3), f(2, 1)),
  ],
  Cast: [
    s((x) => b.cast(x, 'float32'), ids(9, 'int64', 3)),
    s((x) => b.cast(x, 'int32'), f(4)),
    s((x) => b.cast(b.cast(x, 'float64'), 'float32'), f(4)),
    s((x) => b.cast(x, 'bool'), ids(2, 'float32', 4)),
  ],
  Identity: one(b.identity),
  Reshape: [
    s((x) => b.reshape(x, [3, 2]), f(2, 3)),
    s((x) => b.reshape(x, [-1]), f(2, 3)),
    s((x) => b.reshape(x, []), f(1, 1)),
    s((x) => b.unsqueeze(x, [0, -1]), f(2, 3)),
    s((x) => b.squeeze(x, [1]), f(2, 1, 3)),
  ],
  Transpose: [
    s((x) => b.transpose(x, [1, 0]), f(2, 3)),
    s((x) => b.transpose(x, [1, 2, 0]), f(2, 3, 4)),
    s((x) => b.swapLastAxes(x), f(2, 3, 4)),
  ],
  Expand: [
    s((x) => b.expand(x, [2, 3]), f()),
    s((x) => b.expand(x, [2, 3]), f(3)),
    s((x) => b.expand(x, [2, 2, 3]), f(2, 1, 3)),
    s((x) => b.full([2, 3], 1.5, x.dtype), f()),
  ],
  Concat: [
    s((x, y) => b.concat([x, y], 0), f(2, 3), f(1, 3)),
    s((x, y) => b.concat([x, y, x], -1), f(2, 3), f(2, 1)),
  ],
  Split: [
    s((x) => b.split(x, [1, 3], -1), f(2, 4)),
    s((x) => b.split(x, [1, 2, 3], 0)[1]!, f(6, 2)),
    s((x) => b.mul(...(b.split(x, [2, 2], 0) as [Value, Value])), f(4, 2)),
  ],
  Slice: [
    s((x) => b.slice(x, 1, 1, 3), f(2, 4)),
    s((x) => b.slice(x, 1, 0, 3), ids(9, 'int32', 2, 4)),
    s((x) => b.slice(x, 0, 1, 2), ids(9, 'int32', 3, 2)),
    s((x) => b.slice(x, 0, 1, 1), ids(9, 'int32', 3, 2)),
    s((x) => b.slice(x, -2, 0, 1), f(2, 4)),
    s((x) => b.add(b.slice(x, 0, 0, 2), b.slice(x, 0, 1, 3)), f(3)),
  ],
  Pad: [s((x) => b.pad(x, [1, 0], [0, 2]), f(2, 3))],
  ReduceSum: [
    s((x) => b.sum(x), f(2, 3)),
    s((x) => b.sum(x, [1]), f(2, 3, 2)),
    s((x) => b.sum(x, [0, -1], { keepdim: true }), f(2, 3, 2)),
  ],
  ReduceMean: [
    s((x) => b.mean(x), f(2, 3)),
    s((x) => b.mean(x, [1]), f(2, 3, 2)),
    s((x) => b.mean(x, [0, -1], { keepdim: true }), f(2, 3, 2)),
  ],
  ReduceMax: [
    s((x) => b.reduceMax(x), f(2, 3)),
    s((x) => b.reduceMax(x, [-1]), f(2, 3, 4)),
    s((x) => b.reduceMax(x, [0, 2], { keepdim: true }), f(2, 3, 4)),
  ],
  ReduceSumSquare: [
    s((x) => b.sumSquares(x), f(2, 3)),
    s((x) => b.sumSquares(x, [1]), f(2, 3, 2)),
    s((x) => b.sumSquares(x, [0, -1], { keepdim: true }), f(2, 3, 2)),
  ],
  MatMul: [
    s(matmul, f(2, 3), f(3, 4)),
    ...[false, true].flatMap((transA) =>
      [false, true].flatMap((transB) =>
        [[], [2]].map((lead) =>
          s(
            (x, y) => b.matmul(x, y, { transA, transB, alpha: 0.5 }),
            f(...lead, ...(transA ? [3, 2] : [2, 3])),
            f(...lead, ...(transB ? [4, 3] : [3, 4])),
          ),
        ),
      ),
    ),
    s(matmul, f(2, 5, 2, 3), f(3, 4)),
    s((x, y) => b.matmul(x, y, { transB: true }), f(2, 5, 2, 3), f(4, 3)),
    s((x, y) => b.matmul(x, y, { transB: true }), f(2, 2, 3, 2, 3), f(2, 2, 1, 4, 3)),
    s(matmul, f(3, 2, 3), f(2, 1, 3, 4)),
    s(matmul, f(2, 3), f(5, 3, 4)),
    s(matmul, f(2, 1, 2, 3), f(1, 5, 3, 4)),
    s(matmul, f(4, 2, 3), f(1, 3, 4)),
    s((x, y) => b.matmul(x, y, { transA: true }), f(2, 2, 3, 2), f(3, 4)),
    s((x, y) => b.matmul(x, y, { transA: true, transB: true }), f(2, 3, 2), f(4, 3)),
  ],
  CumSum: [s((x) => b.cumsum(x, -1), f(2, 3)), s((x) => b.cumsum(x, 0), ids(5, 'int64', 4))],
  Gather: [
    s((t, i) => b.gather(t, i), f(5, 3), ids(5, 'int32', 2, 4)),
    s((t, i) => b.gather(t, i, 1), f(2, 4, 3), ids(4, 'int64', 2, 3)),
    s((t, i) => b.gather(t, i, -1), f(2, 3, 4), ids(4, 'int64', 5)),
    s((t, i) => b.gather(t, i), f(4), ids(4, 'int64')),
  ],
  ScatterND: [
    s(b.scatterAddRows, f(4, 3), ids(4, 'int32', 2, 3), f(2, 3, 3)),
    s(b.scatterAddRows, f(4), ids(4, 'int64', 6), f(6)),
  ],
  GatherElements: [
    s((x, i) => b.gatherElements(x, i, -1), f(3, 5), ids(5, 'int64', 3, 2)),
    s((x, i) => b.gatherElements(x, i, 0), f(4, 2), ids(4, 'int32', 3, 2)),
  ],
  ScatterElements: [
    s((x, i, u) => b.scatterAdd(x, i, u, -1), f(3, 5), ids(5, 'int64', 3, 2), f(3, 2)),
    s((x, i, u) => b.scatterAdd(x, i, u, 0), f(4, 2), ids(4, 'int32', 6, 2), f(6, 2)),
  ],
  OneHot: [
    s((i) => b.oneHot(i, 4), ids(4, 'int64', 2, 3)),
    s((i) => b.oneHot(i, 3, 'int64'), ids(3, 'int32', 5)),
  ],
  Softmax: [s((x) => b.softmax(x), f(2, 3, 4)), s((x) => b.softmax(x, 1), f(2, 3, 2))],
  LogSoftmax: [s((x) => b.logSoftmax(x), f(2, 3, 4)), s((x) => b.logSoftmax(x, 0), f(3, 2))],
  Attention: [
    s((q, k, v) => b.attend(q, k, v, still(4, 5), 0.7), f(2, 4, 3), f(2, 5, 3), f(2, 5, 2)),
    s((q, k, v) => b.attend(q, k, v, still(3, 3), 0.5), f(2, 3, 6, 4), f(2, 3, 3, 4), f(2, 3, 3, 4)),
    s((q, k, v) => b.attend(q, k, v, still(1, 2), 1), f(4, 3), f(2, 3), f(2, 3)),
    s((q, k, v) => b.attend(q, k, v, still(2, 3, 3), 0.5), f(2, 2, 6, 4), f(2, 2, 3, 4), f(2, 2, 3, 4)),
  ],
  RmsNorm: [s((x) => b.rmsNorm(x, 0.1), f(2, 3, 4)), s((x) => b.rmsNorm(x, 1e-5), f(5))],
  Rotary: [
    s((x) => b.applyRotary(x, still(3, 2), still(3, 2)), f(2, 3, 8)),
    s((x) => b.applyRotary(x, still(4, 3), still(4, 3)), f(1, 4, 6)),
  ],
  TopKMask: [
    s((x) => b.topKMask(x, 2), f(2, 3, 4)),
    s((x) => b.topKMask(x, 1), f(5)),
    s((x) => b.topKMask(x, 3), f(2, 3)),
    s((x) => b.topKMask(x, 2), ids(2, 'float32', 6, 5)),
    s((x) => b.routingWeights(x, 2, true), f(3, 4)),
    s((x) => b.routingWeights(x, 2, false), f(2, 2, 5)),
    s((x, y) => b.loadBalancingLoss([x, y], 2), f(2, 3, 4), f(2, 3, 4)),
  ],
  CrossEntropy: [
    s(b.crossEntropy, f(4, 6), ids(6, 'int64', 4)),
    s(b.crossEntropy, f(2, 3, 5), ids(5, 'int32', 2, 3)),
  ],
};
