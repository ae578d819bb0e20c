/**
 * @file Reductions over axes. Their gradients keep the reduced axes at size 1; `grad` broadcasts them where an
 * operator needs the full shape.
 */
import { constant, countOf, emitOne, type Op, type Value } from '../graph.ts';
import { streamingCost } from '../op-cost.ts';
import { normalizeAxes, normalizeAxis, reduceShape } from '../shapes.ts';
import { div, mul } from './elementwise.ts';
import { cast, equal } from './logic.ts';
import { reshape } from './movement.ts';

type Axes = { readonly axes: readonly number[]; readonly keepdim: boolean };
type Backward = NonNullable<Op<Axes>['backward']>;

const reduction = (name: string, backward: Backward): Op<Axes> => ({
  name,
  cost: streamingCost,
  castPolicy: 'float32',
  infer: ([x], { axes, keepdim }) =>
    axes.every((axis) => axis in x!.shape)
      ? [{ dtype: x!.dtype, shape: reduceShape(x!.shape, axes, keepdim) }]
      : 'no such axis',
  backward,
  onnx: ({ inputs: [x], attrs: { axes, keepdim } }) => ({
    inputs: [x!, constant(axes, 'int64')],
    attrs: { keepdims: keepdim },
  }),
});

/** `v`, a result of reducing `x`, with the reduced axes at size 1. */
const restoreAxes = (v: Value, x: Value, { axes }: Axes): Value =>
  reshape(v, reduceShape(x.shape, axes, true));

/** Number of elements that are reduced to one. */
const reducedCount = (x: Value, { axes }: Axes): number => countOf(axes.map((axis) => x.shape[axis]!));

const ReduceSum = reduction('ReduceSum', (g, { inputs: [x], attrs }) => [restoreAxes(g, x!, attrs)]);

const ReduceMean = reduction('ReduceMean', (g, { inputs: [x], attrs }) => [
  mul(restoreAxes(g, x!, attrs), 1 / reducedCount(x!, attrs)),
]);

const ReduceSumSquare = reduction('ReduceSumSquare', (g, { inputs: [x], attrs }) => [
  mul(mul(restoreAxes(g, x!, attrs), 2), x!),
]);

/** The gradient is split evenly among elements that are equally large. */
const ReduceMax = reduction('ReduceMax', (g, { inputs: [x], output, attrs }) => {
  const isLargest = cast(equal(x!, restoreAxes(output, x!, attrs)), g.dtype);
  const share = div(restoreAxes(g, x!, attrs), sum(isLargest, attrs.axes, { keepdim: true }));
  return [mul(isLargest, share)];
});

/** The inclusive cumulative sum along an axis. */
const CumSum: Op<{ readonly axis: number }> = {
  name: 'CumSum',
  cost: streamingCost,
  castPolicy: 'float32',
  infer: ([x], { axis }) => (axis in x!.shape ? [x!] : 'no such axis'),
  backward: null,
  onnx: ({ inputs: [x], attrs: { axis } }) => ({ inputs: [x!, constant(axis, 'int64')], attrs: {} }),
};

export const reduceOps = { ReduceSum, ReduceMean, ReduceSumSquare, ReduceMax, CumSum };

export const cumsum = (x: Value, axis: number): Value =>
  emitOne(CumSum, [x], { axis: normalizeAxis(axis, x.shape.length) });

export interface ReduceOptions {
  /** Keeps the reduced axes at size 1. Default: false. */
  readonly keepdim?: boolean;
}
/** Reduces over `axes`; over all axes if none are given. */
type Reduce = (x: Value, axes?: readonly number[], options?: ReduceOptions) => Value;

const emitReduction =
  (op: Op<Axes>): Reduce =>
  (x, axes, { keepdim = false } = {}) =>
    emitOne(op, [x], { axes: normalizeAxes(x.shape.length, axes), keepdim });

export const sum = emitReduction(ReduceSum);
export const mean = emitReduction(ReduceMean);
export const sumSquares = emitReduction(ReduceSumSquare);
export const reduceMax = emitReduction(ReduceMax);
