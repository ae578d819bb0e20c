/**
 * @file Samples of every operator: input tensors, and how to build values from them. Tests loop over this
 * table, which must have every operator.
 */
import { countOf, graphOf, input, type Graph, type Value } from '../../src-main/graph/graph.ts';
import * as b from '../../src-main/graph/ops/build.ts';
import type { OpName } from '../../src-main/graph/ops/index.ts';
import type { DType } from '../../src-main/tensor/dtype.ts';
import { tensor, type Tensor } from '../support/evaluate.ts';
import { kernelSamples } from './kernel-samples.ts';

export interface Feed {
  readonly dtype: DType;
  readonly value: Tensor;
}

export interface Sample {
  readonly feeds: readonly Feed[];
  readonly build: (...inputs: Value[]) => Value | readonly Value[];
}

/** A sample as values of a graph, and the tensors for its inputs. */
export interface BuiltSample {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly feeds: Readonly<Record<string, Tensor>>;
}

export function buildSample({ feeds, build }: Sample): BuiltSample {
  const inputs = feeds.map(({ dtype, value }, i) => input(`x${i}`, dtype, value.shape));
  return {
    inputs,
    outputs: [build(...inputs)].flat() as readonly Value[],
    feeds: Object.fromEntries(feeds.map(({ value }, i) => [`x${i}`, value])),
  };
}

/** A graph with the outputs `y0`, `y1`, … */
export const graphOfList = (outputs: readonly Value[], inputs?: readonly Value[]): Graph =>
  graphOf(Object.fromEntries(outputs.map((v, i) => [`y${i}`, v])), inputs);

/** A scalar in which each element of each float32 output has its own weight; undefined without such outputs. */
export function lossOf(outputs: readonly Value[]): Value | undefined {
  const terms = outputs
    .filter((v) => v.dtype === 'float32')
    .map((v, k) => {
      const weights = Float64Array.from({ length: countOf(v.shape) }, (_, i) =>
        Math.fround(Math.cos(1 + i + 7 * k)),
      );
      return b.sum(b.mul(v, b.constant(weights, 'float32', v.shape)));
    });
  return terms.length > 0 ? terms.reduce((x, y) => b.add(x, y)) : undefined;
}

let state = 1;
/** Reproducible numbers in [0, 1): mulberry32. */
function random(): number {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

const randomFeed = (dtype: DType, shape: readonly number[], next: () => number): Feed => ({
  dtype,
  value: tensor(shape, Array.from({ length: countOf(shape) }, next)),
});

/** Floats in (-2, 2), exact in float32, none closer to zero than 0.02. */
const floats = (...shape: number[]): Feed =>
  randomFeed('float32', shape, () => Math.fround((random() < 0.5 ? -1 : 1) * (0.02 + 1.98 * random())));

/** Floats in (0.3, 2.3). */
const positives = (...shape: number[]): Feed =>
  randomFeed('float32', shape, () => Math.fround(0.3 + 2 * random()));

/** Integers in [0, end), with repetitions. */
const integers = (end: number, dtype: DType, ...shape: number[]): Feed =>
  randomFeed(dtype, shape, () => Math.floor(random() * end));

const bools = (...shape: number[]): Feed => integers(2, 'bool', ...shape);

/** A constant of random floats, for inputs without a gradient (masks, angles). */
const randomConstant = (...shape: number[]): Value =>
  b.constant(floats(...shape).value.data, 'float32', shape);

const sample = (build: Sample['build'], ...feeds: Feed[]): Sample => ({ build, feeds });
const matmul = (x: Value, y: Value): Value => b.matmul(x, y);

/** Two operands of equal shapes, and each way of broadcasting. */
const binarySamples = (build: (x: Value, y: Value) => Value, x = floats, y = floats): Sample[] => [
  sample(build, x(2, 3), y(2, 3)),
  sample(build, x(2, 3), y(3)),
  sample(build, x(2, 1), y(3)),
  sample(build, x(), y(2, 2)),
  sample(build, x(2, 3, 2), y(2, 1, 1)),
  sample(build, x(1, 3), y(4, 1)),
];

const unarySamples = (build: (x: Value) => Value, x = floats): Sample[] => [
  sample(build, x(2, 3)),
  sample(build, x()),
];

export const samples: Readonly<Record<OpName, readonly Sample[]>> = {
  Accumulate: [
    sample((x, y) => b.accumulate(x, y), floats(2, 3), floats(2, 3)),
    sample((x, y) => b.accumulate(x, y), floats(2, 3), floats(3)),
  ],
  Add: [
    ...binarySamples(b.add),
    sample((x) => b.add(x, 2), floats(3)),
    sample((x) => b.add(x, x), floats(3)),
  ],
  Sub: [...binarySamples(b.sub), sample((x) => b.sub(1, x), floats(3))],
  Mul: [
    ...binarySamples(b.mul),
    sample((x) => b.square(x), floats(2, 3)),
    sample((x) => b.mul(0.1, x), floats(3)),
  ],
  Div: [...binarySamples(b.div, floats, positives), sample((x) => b.div(1, x), positives(3))],
  Pow: [
    ...binarySamples(b.pow, positives, floats),
    sample((x) => b.pow(x, 3), positives(3)),
    sample((x) => b.pow(0.9, x), floats(3)),
  ],
  Min: binarySamples(b.min),
  Max: binarySamples(b.max),
  Neg: unarySamples(b.neg),
  Reciprocal: unarySamples(b.reciprocal, positives),
  Sqrt: unarySamples(b.sqrt, positives),
  Exp: unarySamples(b.exp),
  Log: unarySamples(b.log, positives),
  Tanh: unarySamples(b.tanh),
  Erf: unarySamples(b.erf),
  Sigmoid: unarySamples(b.sigmoid),
  Relu: unarySamples(b.relu),
  Clip: [sample((x) => b.clip(x, -0.5, 0.75), floats(3, 4))],
  Silu: unarySamples(b.silu),
  Gelu: [
    ...unarySamples((x) => b.gelu(x, 'tanh')),
    ...unarySamples((x) => b.gelu(x, 'none')),
    sample((x) => b.gelu(b.mul(x, 3), 'none'), floats(3, 4)),
  ],
  Greater: binarySamples(b.greater),
  Less: binarySamples(b.less),
  Equal: [
    sample(b.equal, integers(2, 'int64', 2, 3), integers(2, 'int64', 3)),
    sample(b.equal, integers(2, 'float32', 2, 3), integers(2, 'float32', 2, 1)),
  ],
  And: [sample(b.and, bools(3, 4), bools(4))],
  Or: [sample(b.or, bools(3, 4), bools(4))],
  Not: [sample(b.not, bools(5))],
  Where: [
    sample(b.where, bools(2, 3), floats(2, 3), floats(2, 3)),
    sample(b.where, bools(2, 1), floats(3), floats()),
    sample((c, x) => b.where(c, x, 0), bools(3), floats(2, 1)),
  ],
  Cast: [
    sample((x) => b.cast(x, 'float32'), integers(9, 'int64', 3)),
    sample((x) => b.cast(x, 'int32'), floats(4)),
    sample((x) => b.cast(b.cast(x, 'float64'), 'float32'), floats(4)),
    sample((x) => b.cast(x, 'bool'), integers(2, 'float32', 4)),
  ],
  Identity: unarySamples(b.identity),
  Reshape: [
    sample((x) => b.reshape(x, [3, 2]), floats(2, 3)),
    sample((x) => b.reshape(x, [-1]), floats(2, 3)),
    sample((x) => b.reshape(x, []), floats(1, 1)),
    sample((x) => b.unsqueeze(x, [0, -1]), floats(2, 3)),
    sample((x) => b.squeeze(x, [1]), floats(2, 1, 3)),
  ],
  Transpose: [
    sample((x) => b.transpose(x, [1, 0]), floats(2, 3)),
    sample((x) => b.transpose(x, [1, 2, 0]), floats(2, 3, 4)),
    sample((x) => b.swapLastAxes(x), floats(2, 3, 4)),
  ],
  Expand: [
    sample((x) => b.expand(x, [2, 3]), floats()),
    sample((x) => b.expand(x, [2, 3]), floats(3)),
    sample((x) => b.expand(x, [2, 2, 3]), floats(2, 1, 3)),
    sample((x) => b.full([2, 3], 1.5, x.dtype), floats()),
  ],
  Concat: [
    sample((x, y) => b.concat([x, y], 0), floats(2, 3), floats(1, 3)),
    sample((x, y) => b.concat([x, y, x], -1), floats(2, 3), floats(2, 1)),
  ],
  Split: [
    sample((x) => b.split(x, [1, 3], -1), floats(2, 4)),
    sample((x) => b.split(x, [1, 2, 3], 0)[1]!, floats(6, 2)),
    sample((x) => b.mul(...(b.split(x, [2, 2], 0) as [Value, Value])), floats(4, 2)),
  ],
  Slice: [
    sample((x) => b.slice(x, 1, 1, 3), floats(2, 4)),
    sample((x) => b.slice(x, 1, 0, 3), integers(9, 'int32', 2, 4)),
    sample((x) => b.slice(x, 0, 1, 2), integers(9, 'int32', 3, 2)),
    sample((x) => b.slice(x, 0, 1, 1), integers(9, 'int32', 3, 2)),
    sample((x) => b.slice(x, -2, 0, 1), floats(2, 4)),
    sample((x) => b.add(b.slice(x, 0, 0, 2), b.slice(x, 0, 1, 3)), floats(3)),
  ],
  Pad: [sample((x) => b.pad(x, [1, 0], [0, 2]), floats(2, 3))],
  ReduceSum: [
    sample((x) => b.sum(x), floats(2, 3)),
    sample((x) => b.sum(x, [1]), floats(2, 3, 2)),
    sample((x) => b.sum(x, [0, -1], { keepdim: true }), floats(2, 3, 2)),
  ],
  ReduceMean: [
    sample((x) => b.mean(x), floats(2, 3)),
    sample((x) => b.mean(x, [1]), floats(2, 3, 2)),
    sample((x) => b.mean(x, [0, -1], { keepdim: true }), floats(2, 3, 2)),
  ],
  ReduceMax: [
    sample((x) => b.reduceMax(x), floats(2, 3)),
    sample((x) => b.reduceMax(x, [-1]), floats(2, 3, 4)),
    sample((x) => b.reduceMax(x, [0, 2], { keepdim: true }), floats(2, 3, 4)),
  ],
  ReduceSumSquare: [
    sample((x) => b.sumSquares(x), floats(2, 3)),
    sample((x) => b.sumSquares(x, [1]), floats(2, 3, 2)),
    sample((x) => b.sumSquares(x, [0, -1], { keepdim: true }), floats(2, 3, 2)),
  ],
  MatMul: [
    sample(matmul, floats(2, 3), floats(3, 4)),
    ...[false, true].flatMap((transA) =>
      [false, true].flatMap((transB) =>
        [[], [2]].map((lead) =>
          sample(
            (x, y) => b.matmul(x, y, { transA, transB, alpha: 0.5 }),
            floats(...lead, ...(transA ? [3, 2] : [2, 3])),
            floats(...lead, ...(transB ? [4, 3] : [3, 4])),
          ),
        ),
      ),
    ),
    sample(matmul, floats(2, 5, 2, 3), floats(3, 4)),
    sample((x, y) => b.matmul(x, y, { transB: true }), floats(2, 5, 2, 3), floats(4, 3)),
    sample((x, y) => b.matmul(x, y, { transB: true }), floats(2, 2, 3, 2, 3), floats(2, 2, 1, 4, 3)),
    sample(matmul, floats(3, 2, 3), floats(2, 1, 3, 4)),
    sample(matmul, floats(2, 3), floats(5, 3, 4)),
    sample(matmul, floats(2, 1, 2, 3), floats(1, 5, 3, 4)),
    sample(matmul, floats(4, 2, 3), floats(1, 3, 4)),
    sample((x, y) => b.matmul(x, y, { transA: true }), floats(2, 2, 3, 2), floats(3, 4)),
    sample((x, y) => b.matmul(x, y, { transA: true, transB: true }), floats(2, 3, 2), floats(4, 3)),
  ],
  CumSum: [
    sample((x) => b.cumsum(x, -1), floats(2, 3)),
    sample((x) => b.cumsum(x, 0), integers(5, 'int64', 4)),
  ],
  Gather: [
    sample((t, i) => b.gather(t, i), floats(5, 3), integers(5, 'int32', 2, 4)),
    sample((t, i) => b.gather(t, i, 1), floats(2, 4, 3), integers(4, 'int64', 2, 3)),
    sample((t, i) => b.gather(t, i, -1), floats(2, 3, 4), integers(4, 'int64', 5)),
    sample((t, i) => b.gather(t, i), floats(4), integers(4, 'int64')),
  ],
  ScatterND: [
    sample(b.scatterAddRows, floats(4, 3), integers(4, 'int32', 2, 3), floats(2, 3, 3)),
    sample(b.scatterAddRows, floats(4), integers(4, 'int64', 6), floats(6)),
  ],
  GatherElements: [
    sample((x, i) => b.gatherElements(x, i, -1), floats(3, 5), integers(5, 'int64', 3, 2)),
    sample((x, i) => b.gatherElements(x, i, 0), floats(4, 2), integers(4, 'int32', 3, 2)),
  ],
  ScatterElements: [
    sample((x, i, u) => b.scatterAdd(x, i, u, -1), floats(3, 5), integers(5, 'int64', 3, 2), floats(3, 2)),
    sample((x, i, u) => b.scatterAdd(x, i, u, 0), floats(4, 2), integers(4, 'int32', 6, 2), floats(6, 2)),
  ],
  OneHot: [
    sample((i) => b.oneHot(i, 4), integers(4, 'int64', 2, 3)),
    sample((i) => b.oneHot(i, 3, 'int64'), integers(3, 'int32', 5)),
  ],
  Softmax: [sample((x) => b.softmax(x), floats(2, 3, 4)), sample((x) => b.softmax(x, 1), floats(2, 3, 2))],
  LogSoftmax: [
    sample((x) => b.logSoftmax(x), floats(2, 3, 4)),
    sample((x) => b.logSoftmax(x, 0), floats(3, 2)),
  ],
  Attention: [
    sample(
      (q, k, v) => b.attend(q, k, v, randomConstant(4, 5), 0.7),
      floats(2, 4, 3),
      floats(2, 5, 3),
      floats(2, 5, 2),
    ),
    sample(
      (q, k, v) => b.attend(q, k, v, randomConstant(3, 3), 0.5),
      floats(2, 3, 6, 4),
      floats(2, 3, 3, 4),
      floats(2, 3, 3, 4),
    ),
    sample(
      (q, k, v) => b.attend(q, k, v, randomConstant(3, 3), 0.5, randomConstant(1, 3, 2, 1, 3)),
      floats(2, 3, 6, 4),
      floats(2, 3, 3, 4),
      floats(2, 3, 3, 4),
    ),
    sample((q, k, v) => b.attend(q, k, v, randomConstant(1, 2), 1), floats(4, 3), floats(2, 3), floats(2, 3)),
    sample(
      (q, k, v) => b.attend(q, k, v, randomConstant(2, 3, 3), 0.5),
      floats(2, 2, 6, 4),
      floats(2, 2, 3, 4),
      floats(2, 2, 3, 4),
    ),
  ],
  CausalAttention: [
    sample(
      (q, k, v) => b.causalAttention(q, k, v, { queryHeads: 2, keyHeads: 2, scale: 0.5 }),
      floats(2, 5, 8),
      floats(2, 5, 8),
      floats(2, 5, 8),
    ),
    sample(
      (q, k, v) => b.causalAttention(q, k, v, { queryHeads: 4, keyHeads: 2, scale: 0.7 }),
      floats(1, 4, 16),
      floats(1, 4, 8),
      floats(1, 4, 8),
    ),
  ],
  RmsNorm: [
    sample((x, gain) => b.rmsNorm(x, 0.1, gain), floats(2, 3, 4), floats(4)),
    sample((x) => b.rmsNorm(x, 1e-5), floats(5)),
  ],
  LayerNorm: [
    sample((x, gain) => b.layerNorm(x, 0.1, gain), floats(2, 3, 4), floats(4)),
    sample((x) => b.layerNorm(x, 1e-5), floats(3, 5)),
  ],
  Rotary: [
    sample((x) => b.applyRotary(x, randomConstant(3, 2), randomConstant(3, 2)), floats(2, 3, 8)),
    sample((x) => b.applyRotary(x, randomConstant(4, 3), randomConstant(4, 3)), floats(1, 4, 6)),
  ],
  TopKMask: [
    sample((x) => b.topKMask(x, 2), floats(2, 3, 4)),
    sample((x) => b.topKMask(x, 1), floats(5)),
    sample((x) => b.topKMask(x, 3), floats(2, 3)),
    sample((x) => b.topKMask(x, 2), integers(2, 'float32', 6, 5)),
    sample((x) => b.routingWeights(x, 2, true), floats(3, 4)),
    sample((x) => b.routingWeights(x, 2, false), floats(2, 2, 5)),
    sample((x, y) => b.loadBalancingLoss([x, y], 2), floats(2, 3, 4), floats(2, 3, 4)),
  ],
  CrossEntropy: [
    sample(b.crossEntropy, floats(4, 6), integers(6, 'int64', 4)),
    sample(b.crossEntropy, floats(2, 3, 5), integers(5, 'int32', 2, 3)),
  ],
  ...kernelSamples({ sample, floats, positives, integers }),
};
