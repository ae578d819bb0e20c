/** @file Rows that read and write by index. */
import { constant, countOf, emitOne, type Op, type Value } from '../graph.ts';
import { cast, equal } from './logic.ts';
import { expand, full, reshape, transpose, unsqueeze, zerosLike } from './movement.ts';
import { axesOf, axisOf, isIndex, sameShape, withoutAxes } from '../shapes.ts';
import type { DType } from '../../tensor/dtype.ts';

type Axis = { readonly axis: number };
const adding = { reduction: 'add' } as const;

/** Entries of one axis, picked by a tensor of indices whose axes take its place. */
export const Gather: Op<Axis> = {
  name: 'Gather',
  infer: ([x, at], { axis }) =>
    axis in x!.shape && isIndex(at!)
      ? [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, axis), ...at!.shape, ...x!.shape.slice(axis + 1)] }]
      : 'no such axis, or the indices are not integers',
  grad: (g, { in: [x, at], attrs: { axis } }) => {
    const rank = x!.shape.length;
    const axes = axesOf(g.shape.length);
    const picked = axes.slice(axis, axis + at!.shape.length);
    const first = transpose(g, [...picked, ...axes.filter((i) => !picked.includes(i))]);
    const rows = scatterRows(
      full([x!.shape[axis]!, ...withoutAxes(x!.shape, [axis], false)], 0, g.dtype),
      at!,
      first,
    );
    return [
      transpose(
        rows,
        axesOf(rank).map((i) => (i === axis ? 0 : i < axis ? i + 1 : i)),
      ),
      null,
    ];
  },
};

/**
 * Adds each update to the row (entry of axis 0) that its index names; rows named twice get both. Indices end
 * in an axis of size one.
 */
export const ScatterND: Op = {
  name: 'ScatterND',
  infer: ([into, at, updates]) => {
    if (at!.shape.at(-1) !== 1 || at!.dtype !== 'int64') return 'the indices are not int64[..., 1]';
    return sameShape(updates!.shape, [...at!.shape.slice(0, -1), ...into!.shape.slice(1)]) &&
      updates!.dtype === into!.dtype
      ? [into!]
      : 'the updates do not fit the rows';
  },
  grad: (g, { in: [, at] }) => [g, null, gather(g, reshape(at!, at!.shape.slice(0, -1)))],
  onnx: () => ({ attrs: adding }),
  lower: ([into, at, updates]) => {
    const rows = reshape(updates!, [countOf(at!.shape), -1]);
    const flat = reshape(into!, [into!.shape[0]!, -1]);
    const places = expand(cast(reshape(at!, [-1, 1]), 'int32'), rows.shape);
    return [reshape(scatterElements(flat, places, rows, 0), into!.shape)];
  },
};

/** One element per index along an axis; the other axes go together. */
export const GatherElements: Op<Axis> = {
  name: 'GatherElements',
  infer: ([x, at], { axis }) =>
    along(x!.shape, at!.shape, axis) && isIndex(at!)
      ? [{ dtype: x!.dtype, shape: at!.shape }]
      : 'the indices do not go along the axis',
  grad: (g, { in: [x, at], attrs: { axis } }) => [scatterElements(zerosLike(x!), at!, g, axis), null],
};

/** Adds each update to the element that its index names along an axis. */
export const ScatterElements: Op<Axis> = {
  name: 'ScatterElements',
  infer: ([into, at, updates], { axis }) =>
    along(into!.shape, at!.shape, axis) &&
    isIndex(at!) &&
    sameShape(at!.shape, updates!.shape) &&
    into!.dtype === updates!.dtype
      ? [into!]
      : 'the updates do not fit',
  grad: (g, { in: [, at], attrs: { axis } }) => [g, null, gatherElements(g, at!, axis)],
  onnx: ({ attrs: { axis } }) => ({ attrs: { axis, ...adding } }),
};

/** One at each index of a new last axis, zero elsewhere. */
export const OneHot: Op<{ readonly depth: number; readonly to: DType }> = {
  name: 'OneHot',
  grad: null,
  infer: ([at], { depth, to }) =>
    at!.dtype === 'int64' ? [{ dtype: to, shape: [...at!.shape, depth] }] : 'the indices are not int64',
  onnx: ({ inputs: [at], attrs: { depth, to } }) => ({
    inputs: [at!, constant(depth, 'int64'), constant([0, 1], to)],
    attrs: { axis: -1 },
  }),
  lower: ([at], { depth, to }) => [
    cast(
      equal(
        unsqueeze(at!, [-1]),
        constant(
          Array.from({ length: depth }, (_, i) => i),
          at!.dtype,
        ),
      ),
      to,
    ),
  ],
};

const along = (x: readonly number[], at: readonly number[], axis: number): boolean =>
  axis in x && sameShape(withoutAxes(x, [axis], true), withoutAxes(at, [axis], true));

/** Entries of `axis` picked by `indices` (int32 or int64), whose axes take its place. */
export const gather = (x: Value, indices: Value, axis = 0): Value =>
  emitOne(Gather, [x, indices], { axis: axisOf(axis, x.shape.length) });
/** `into` with each update added to the row its index names; updates are [...indices, ...a row]. */
export const scatterRows = (into: Value, indices: Value, updates: Value): Value =>
  emitOne(ScatterND, [into, cast(reshape(indices, [...indices.shape, 1]), 'int64'), updates], {});
export const gatherElements = (x: Value, indices: Value, axis: number): Value =>
  emitOne(GatherElements, [x, indices], { axis: axisOf(axis, x.shape.length) });
/** `into` with each update added to the element its index names along `axis`. */
export const scatterElements = (into: Value, indices: Value, updates: Value, axis: number): Value =>
  emitOne(ScatterElements, [into, indices, updates], { axis: axisOf(axis, into.shape.length) });
export const oneHot = (indices: Value, depth: number, to: DType = 'float32'): Value =>
  emitOne(OneHot, [cast(indices, 'int64')], { depth, to });
