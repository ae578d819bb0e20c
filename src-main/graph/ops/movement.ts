/** @file Rows that move elements without changing them. */
import { constant, countOf, emit, emitOne, type Attrs, type Op, type Shape, type Value } from '../graph.ts';
import {
  axesOf,
  axisOf,
  broadcastsTo,
  filledShape,
  inverse,
  replaceAxis,
  sameShape,
  withoutAxes,
} from '../shapes.ts';

const ints = (values: readonly number[]): Value => constant(values, 'int64');

/** The same value under another name; ONNX needs it where an input is itself an output. */
export const Identity: Op = { name: 'Identity', view: true, infer: ([x]) => [x!], grad: (g) => [g] };

export const Reshape: Op<{ readonly shape: Shape }> = {
  name: 'Reshape',
  view: true,
  infer: ([x], { shape }) =>
    countOf(shape) === countOf(x!.shape) ? [{ dtype: x!.dtype, shape }] : 'the element counts differ',
  grad: (g, { in: [x] }) => [reshape(g, x!.shape)],
  onnx: ({ inputs: [x], attrs: { shape } }) => ({ inputs: [x!, ints(shape)], attrs: {} }),
};

export const Transpose: Op<{ readonly perm: readonly number[] }> = {
  name: 'Transpose',
  infer: ([x], { perm }) =>
    sameShape(axesOf(x!.shape.length, perm), axesOf(x!.shape.length))
      ? [{ dtype: x!.dtype, shape: perm.map((i) => x!.shape[i]!) }]
      : 'not a permutation',
  grad: (g, { attrs: { perm } }) => [transpose(g, inverse(perm))],
};

export const Expand: Op<{ readonly shape: Shape }> = {
  name: 'Expand',
  infer: ([x], { shape }) =>
    broadcastsTo(x!.shape, shape) ? [{ dtype: x!.dtype, shape }] : 'it does not broadcast to that',
  grad: (g) => [g],
  onnx: ({ inputs: [x], attrs: { shape } }) => ({ inputs: [x!, ints(shape)], attrs: {} }),
};

export const Concat: Op<{ readonly axis: number }> = {
  name: 'Concat',
  infer: (inputs, { axis }) => {
    const [first] = inputs;
    if (!first || !(axis in first.shape)) return 'no such axis';
    const alike = inputs.every(
      (v) =>
        v.dtype === first.dtype &&
        sameShape(withoutAxes(v.shape, [axis], true), withoutAxes(first.shape, [axis], true)),
    );
    return alike
      ? [
          {
            dtype: first.dtype,
            shape: replaceAxis(
              first.shape,
              axis,
              inputs.reduce((n, v) => n + v.shape[axis]!, 0),
            ),
          },
        ]
      : 'the other axes differ';
  },
  grad: (g, { in: xs, attrs: { axis } }) =>
    split(
      g,
      xs.map((x) => x.shape[axis]!),
      axis,
    ),
};

export const Split: Op<{ readonly sizes: readonly number[]; readonly axis: number }> = {
  name: 'Split',
  infer: ([x], { sizes, axis }) =>
    x!.shape[axis] === sizes.reduce((n, s) => n + s, 0)
      ? sizes.map((size) => ({ dtype: x!.dtype, shape: replaceAxis(x!.shape, axis, size) }))
      : 'the sizes do not add up',
  grad: (_, { all, outs, attrs: { axis } }) => [
    concat(
      all.map((g, i) => g ?? zerosLike(outs[i]!)),
      axis,
    ),
  ],
  onnx: ({ inputs: [x], attrs: { sizes, axis } }) => ({ inputs: [x!, ints(sizes)], attrs: { axis } }),
  lower([x], { sizes, axis }) {
    let at = 0;
    return sizes.map((size) => slice(x!, axis, at, (at += size)));
  },
};

/** Elements `start` to `end` (exclusive) along one axis. */
export const Slice: Op<{ readonly axis: number; readonly start: number; readonly end: number }> = {
  name: 'Slice',
  infer: ([x], { axis, start, end }) =>
    0 <= start && start <= end && end <= (x!.shape[axis] ?? -1)
      ? [{ dtype: x!.dtype, shape: replaceAxis(x!.shape, axis, end - start) }]
      : 'out of range',
  grad: (g, { in: [x], attrs: { axis, start, end } }) => {
    const around = (size: number): Shape => x!.shape.map((_, i) => (i === axis ? size : 0));
    return [pad(g, around(start), around(x!.shape[axis]! - end))];
  },
  onnx: ({ inputs: [x], attrs: { axis, start, end } }) => ({
    inputs: [x!, ints([start]), ints([end]), ints([axis])],
    attrs: {},
  }),
  lower: ([x], { axis, start, end }) => {
    const sizes = [start, end - start, x!.shape[axis]! - end].filter((size) => size > 0);
    return [
      end === start
        ? full(replaceAxis(x!.shape, axis, 0), 0, x!.dtype)
        : split(x!, sizes, axis)[start > 0 ? 1 : 0]!,
    ];
  },
};

/** Zeros before and after, counts per axis. */
export const Pad: Op<{ readonly before: Shape; readonly after: Shape }> = {
  name: 'Pad',
  infer: ([x], { before, after }) =>
    before.length === x!.shape.length && after.length === x!.shape.length
      ? [{ dtype: x!.dtype, shape: x!.shape.map((s, i) => s + before[i]! + after[i]!) }]
      : 'one count per axis is needed',
  grad: (g, { in: [x], attrs: { before } }) => [
    x!.shape.reduce((v, size, i) => slice(v, i, before[i]!, before[i]! + size), g),
  ],
  onnx: ({ inputs: [x], attrs: { before, after } }) => ({
    inputs: [x!, ints([...before, ...after])],
    attrs: {},
  }),
};

const none: Attrs = {};
export const identity = (x: Value): Value => emitOne(Identity, [x], none);

/** The same elements in another shape, of which one size may be -1. */
export function reshape(x: Value, shape: Shape): Value {
  const filled = filledShape(shape, countOf(x.shape)) ?? shape;
  return sameShape(filled, x.shape) ? x : emitOne(Reshape, [x], { shape: filled });
}
/** Axis i of the result is axis `perm[i]` of `x`. */
export const transpose = (x: Value, perm: readonly number[]): Value =>
  perm.length === x.shape.length && perm.every((p, i) => p === i) ? x : emitOne(Transpose, [x], { perm });
/** The last two axes exchanged. */
export function swapLast(x: Value): Value {
  const rank = x.shape.length;
  const axes = axesOf(rank);
  return transpose(x, [...axes.slice(0, -2), rank - 1, rank - 2]);
}
export const expand = (x: Value, shape: Shape): Value =>
  sameShape(x.shape, shape) ? x : emitOne(Expand, [x], { shape });
export const concat = (xs: readonly Value[], axis: number): Value =>
  xs.length === 1 ? xs[0]! : emitOne(Concat, xs, { axis: axisOf(axis, xs[0]?.shape.length ?? 0) });
/** Cuts `x` along an axis into pieces of the given sizes. */
export const split = (x: Value, sizes: readonly number[], axis: number): readonly Value[] =>
  sizes.length === 1 && sizes[0] === x.shape.at(axis)
    ? [x]
    : emit(Split, [x], { sizes, axis: axisOf(axis, x.shape.length) });
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const at = axisOf(axis, x.shape.length);
  return start === 0 && end === x.shape[at] ? x : emitOne(Slice, [x], { axis: at, start, end });
}
export const pad = (x: Value, before: Shape, after: Shape): Value => emitOne(Pad, [x], { before, after });
/** Axes of size one put in, counted in the result. */
export function unsqueeze(x: Value, axes: readonly number[]): Value {
  const rank = x.shape.length + axes.length;
  const at = axesOf(rank, axes);
  const rest = [...x.shape];
  return reshape(
    x,
    axesOf(rank).map((i) => (at.includes(i) ? 1 : rest.shift()!)),
  );
}
/** Axes of size one taken out. */
export const squeeze = (x: Value, axes: readonly number[]): Value =>
  reshape(x, withoutAxes(x.shape, axesOf(x.shape.length, axes), false));
/** One number everywhere. */
export const full = (shape: Shape, value: number, dtype: Value['dtype'] = 'float32'): Value =>
  expand(constant(value, dtype), shape);
export const zerosLike = (v: Value): Value => full(v.shape, 0, v.dtype);
