/**
 * @file Rows that reduce over axes. Their gradients come out with ones in the reduced places; the walk lets
 * them broadcast.
 */
import { constant, countOf, emitOne, type Op, type Value } from '../graph.ts';
import { div, mul } from './elementwise.ts';
import { cast, equal } from './logic.ts';
import { reshape } from './movement.ts';
import { axesOf, axisOf, withoutAxes } from '../shapes.ts';

type Axes = { readonly axes: readonly number[]; readonly keep: boolean };
type Rule = NonNullable<Op<Axes>['grad']>;

const reduction = (name: string, grad: Rule): Op<Axes> => ({
  name,
  grad,
  infer: ([x], { axes, keep }) =>
    axes.every((a) => a in x!.shape)
      ? [{ dtype: x!.dtype, shape: withoutAxes(x!.shape, axes, keep) }]
      : 'no such axis',
  onnx: ({ inputs: [x], attrs: { axes, keep } }) => ({
    inputs: [x!, constant(axes, 'int64')],
    attrs: { keepdims: keep },
  }),
});
const kept = (v: Value, like: Value, { axes }: Axes): Value =>
  reshape(v, withoutAxes(like.shape, axes, true));
const reducedCount = (x: Value, { axes }: Axes): number => countOf(axes.map((a) => x.shape[a]!));

export const ReduceSum = reduction('ReduceSum', (g, { in: [x], attrs }) => [kept(g, x!, attrs)]);
export const ReduceMean = reduction('ReduceMean', (g, { in: [x], attrs }) => [
  mul(kept(g, x!, attrs), 1 / reducedCount(x!, attrs)),
]);
export const ReduceSumSquare = reduction('ReduceSumSquare', (g, { in: [x], attrs }) => [
  mul(mul(kept(g, x!, attrs), 2), x!),
]);
/** Equal largest elements share the gradient evenly. */
export const ReduceMax = reduction('ReduceMax', (g, { in: [x], out, attrs }) => {
  const largest = cast(equal(x!, kept(out, x!, attrs)), g.dtype);
  return [mul(largest, div(kept(g, x!, attrs), sum(largest, attrs.axes, { keep: true })))];
});

/** Each element and all before it along an axis, added up. */
export const CumSum: Op<{ readonly axis: number }> = {
  name: 'CumSum',
  grad: null,
  infer: ([x], { axis }) => (axis in x!.shape ? [x!] : 'no such axis'),
  onnx: ({ inputs: [x], attrs: { axis } }) => ({ inputs: [x!, constant(axis, 'int64')], attrs: {} }),
};
export const cumulative = (x: Value, axis: number): Value =>
  emitOne(CumSum, [x], { axis: axisOf(axis, x.shape.length) });

/** Axes default to all; `keep` leaves ones in their places. */
type Reduce = (x: Value, axes?: readonly number[], options?: { readonly keep?: boolean }) => Value;
const over =
  (op: Op<Axes>): Reduce =>
  (x, axes, { keep = false } = {}) =>
    emitOne(op, [x], { axes: axesOf(x.shape.length, axes), keep });

export const sum = over(ReduceSum);
export const mean = over(ReduceMean);
export const sumSquares = over(ReduceSumSquare);
export const reduceMax = over(ReduceMax);
