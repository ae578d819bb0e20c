/** @file Operators that move elements without changing them. */
import { constant, countOf, emit, emitOne, type Attrs, type Op, type Shape, type Value } from '../graph.ts';
import { streamingCost, viewCost } from '../op-cost.ts';
import {
  broadcastsTo,
  inversePermutation,
  normalizeAxes,
  normalizeAxis,
  reduceShape,
  replaceAxis,
  resolveShape,
  sameShape,
} from '../shapes.ts';

const int64s = (values: readonly number[]): Value => constant(values, 'int64');

/** The same value. ONNX needs it where an output of the graph is also an input or another output. */
const Identity: Op = {
  name: 'Identity',
  view: true,
  cost: viewCost,
  castPolicy: 'passthrough',
  infer: ([x]) => [x!],
  backward: (g) => [g],
};

export const Reshape: Op<{ readonly shape: Shape }> = {
  name: 'Reshape',
  view: true,
  cost: viewCost,
  castPolicy: 'passthrough',
  infer: ([x], { shape }) =>
    countOf(shape) === countOf(x!.shape) ? [{ dtype: x!.dtype, shape }] : 'the element counts differ',
  backward: (g, { inputs: [x] }) => [reshape(g, x!.shape)],
  onnx: ({ inputs: [x], attrs: { shape } }) => ({ inputs: [x!, int64s(shape)], attrs: {} }),
};

export const Transpose: Op<{ readonly perm: readonly number[] }> = {
  name: 'Transpose',
  cost: streamingCost,
  castPolicy: 'promote',
  infer: ([x], { perm }) =>
    sameShape(normalizeAxes(x!.shape.length, perm), normalizeAxes(x!.shape.length))
      ? [{ dtype: x!.dtype, shape: perm.map((i) => x!.shape[i]!) }]
      : 'not a permutation',
  backward: (g, { attrs: { perm } }) => [transpose(g, inversePermutation(perm))],
};

export const Expand: Op<{ readonly shape: Shape }> = {
  name: 'Expand',
  cost: streamingCost,
  castPolicy: 'promote',
  infer: ([x], { shape }) =>
    broadcastsTo(x!.shape, shape) ? [{ dtype: x!.dtype, shape }] : 'it does not broadcast to that shape',
  backward: (g) => [g],
  onnx: ({ inputs: [x], attrs: { shape } }) => ({ inputs: [x!, int64s(shape)], attrs: {} }),
};

const Concat: Op<{ readonly axis: number }> = {
  name: 'Concat',
  cost: streamingCost,
  castPolicy: 'promote',
  infer: (inputs, { axis }) => {
    const [first] = inputs;
    if (!first || !(axis in first.shape)) return 'no such axis';
    const others = reduceShape(first.shape, [axis], true);
    const fits = inputs.every(
      (v) => v.dtype === first.dtype && sameShape(reduceShape(v.shape, [axis], true), others),
    );
    if (!fits) return 'the other axes differ';
    const size = inputs.reduce((total, v) => total + v.shape[axis]!, 0);
    return [{ dtype: first.dtype, shape: replaceAxis(first.shape, axis, size) }];
  },
  backward: (g, { inputs, attrs: { axis } }) => {
    const sizes = inputs.map((x) => x.shape[axis]!);
    return split(g, sizes, axis);
  },
};

const Split: Op<{ readonly sizes: readonly number[]; readonly axis: number }> = {
  name: 'Split',
  cost: streamingCost,
  castPolicy: 'passthrough',
  infer: ([x], { sizes, axis }) =>
    x!.shape[axis] === sizes.reduce((total, size) => total + size, 0)
      ? sizes.map((size) => ({ dtype: x!.dtype, shape: replaceAxis(x!.shape, axis, size) }))
      : 'the sizes do not add up',
  backward: (_, { gradOutputs, outputs, attrs: { axis } }) => {
    const parts = gradOutputs.map((g, i) => g ?? zerosLike(outputs[i]!));
    return [concat(parts, axis)];
  },
  onnx: ({ inputs: [x], attrs: { sizes, axis } }) => ({ inputs: [x!, int64s(sizes)], attrs: { axis } }),
  lower: ([x], { sizes, axis }) => {
    let start = 0;
    return sizes.map((size) => {
      const part = slice(x!, axis, start, start + size);
      start += size;
      return part;
    });
  },
};

/** Elements `start` to `end` (exclusive) of one axis. */
const Slice: Op<{ readonly axis: number; readonly start: number; readonly end: number }> = {
  name: 'Slice',
  cost: streamingCost,
  castPolicy: 'promote',
  infer: ([x], { axis, start, end }) =>
    0 <= start && start <= end && end <= (x!.shape[axis] ?? -1)
      ? [{ dtype: x!.dtype, shape: replaceAxis(x!.shape, axis, end - start) }]
      : 'out of range',
  backward: (g, { inputs: [x], attrs: { axis, start, end } }) => {
    const padding = (size: number): Shape => x!.shape.map((_, i) => (i === axis ? size : 0));
    return [pad(g, padding(start), padding(x!.shape[axis]! - end))];
  },
  onnx: ({ inputs: [x], attrs: { axis, start, end } }) => ({
    inputs: [x!, int64s([start]), int64s([end]), int64s([axis])],
    attrs: {},
  }),
  lower: ([x], { axis, start, end }) => {
    if (end === start) return [full(replaceAxis(x!.shape, axis, 0), 0, x!.dtype)];
    const sizes = [start, end - start, x!.shape[axis]! - end].filter((size) => size > 0);
    return [split(x!, sizes, axis)[start > 0 ? 1 : 0]!];
  },
};

/** Zeros before and after, one count per axis. */
const Pad: Op<{ readonly before: Shape; readonly after: Shape }> = {
  name: 'Pad',
  cost: streamingCost,
  castPolicy: 'promote',
  infer: ([x], { before, after }) =>
    before.length === x!.shape.length && after.length === x!.shape.length
      ? [{ dtype: x!.dtype, shape: x!.shape.map((size, i) => size + before[i]! + after[i]!) }]
      : 'one count per axis is needed',
  backward: (g, { inputs: [x], attrs: { before } }) => [
    x!.shape.reduce((v, size, i) => slice(v, i, before[i]!, before[i]! + size), g),
  ],
  onnx: ({ inputs: [x], attrs: { before, after } }) => ({
    inputs: [x!, int64s([...before, ...after])],
    attrs: {},
  }),
};

export const movementOps = { Identity, Reshape, Transpose, Expand, Concat, Split, Slice, Pad };

const noAttrs: Attrs = {};
export const identity = (x: Value): Value => emitOne(Identity, [x], noAttrs);

/** The same elements in another shape, one size of which may be -1. */
export function reshape(x: Value, shape: Shape): Value {
  const resolved = resolveShape(shape, countOf(x.shape)) ?? shape;
  return sameShape(resolved, x.shape) ? x : emitOne(Reshape, [x], { shape: resolved });
}

/** Axis i of the result is axis `perm[i]` of `x`. */
export function transpose(x: Value, perm: readonly number[]): Value {
  const isIdentity = perm.length === x.shape.length && perm.every((p, i) => p === i);
  return isIdentity ? x : emitOne(Transpose, [x], { perm });
}

/** Transposes the last two axes. */
export function swapLastAxes(x: Value): Value {
  const rank = x.shape.length;
  const lead = normalizeAxes(rank).slice(0, -2);
  return transpose(x, [...lead, rank - 1, rank - 2]);
}

export const expand = (x: Value, shape: Shape): Value =>
  sameShape(x.shape, shape) ? x : emitOne(Expand, [x], { shape });

export const concat = (xs: readonly Value[], axis: number): Value =>
  xs.length === 1 ? xs[0]! : emitOne(Concat, xs, { axis: normalizeAxis(axis, xs[0]?.shape.length ?? 0) });

/** Splits `x` along an axis into parts of the given sizes. */
export const split = (x: Value, sizes: readonly number[], axis: number): readonly Value[] =>
  sizes.length === 1 && sizes[0] === x.shape.at(axis)
    ? [x]
    : emit(Split, [x], { sizes, axis: normalizeAxis(axis, x.shape.length) });

/** Elements `start` to `end` (exclusive) along an axis. */
export function slice(x: Value, axis: number, start: number, end: number): Value {
  const normalized = normalizeAxis(axis, x.shape.length);
  const isWhole = start === 0 && end === x.shape[normalized];
  return isWhole ? x : emitOne(Slice, [x], { axis: normalized, start, end });
}

/** `x` with zeros before and after each axis. */
export const pad = (x: Value, before: Shape, after: Shape): Value => emitOne(Pad, [x], { before, after });

/** Inserts axes of size 1; `axes` are positions in the result. */
export function unsqueeze(x: Value, axes: readonly number[]): Value {
  const rank = x.shape.length + axes.length;
  const inserted = normalizeAxes(rank, axes);
  const sizes = [...x.shape];
  const shape = normalizeAxes(rank).map((i) => (inserted.includes(i) ? 1 : sizes.shift()!));
  return reshape(x, shape);
}

/** Removes axes of size 1. */
export const squeeze = (x: Value, axes: readonly number[]): Value =>
  reshape(x, reduceShape(x.shape, normalizeAxes(x.shape.length, axes), false));

/** A tensor filled with one number. */
export const full = (shape: Shape, value: number, dtype: Value['dtype'] = 'float32'): Value =>
  expand(constant(value, dtype), shape);

export const zerosLike = (v: Value): Value => full(v.shape, 0, v.dtype);
