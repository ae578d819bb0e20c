/** @file Gather, scatter and one-hot: operators that read and write by index. */
import type { DType } from '../../tensor/dtype.ts';
import { constant, countOf, emitOne, type Op, type Shape, type Value } from '../graph.ts';
import { streamingCost } from '../op-cost.ts';
import { normalizeAxes, normalizeAxis, reduceShape, sameShape } from '../shapes.ts';
import { isIndexType } from '../types.ts';
import { cast, equal } from './logic.ts';
import { expand, full, reshape, transpose, unsqueeze, zerosLike } from './movement.ts';

type Axis = { readonly axis: number };
const addReduction = { reduction: 'add' } as const;

/**
 * Entries of one axis, selected by a tensor of indices whose axes replace that axis. The rows of an embedding
 * begin the residual stream, so they decide its type.
 */
const Gather: Op<Axis> = {
  name: 'Gather',
  cost: streamingCost,
  castPolicy: 'store-bfloat16',
  infer: ([x, indices], { axis }) => {
    if (!(axis in x!.shape) || !isIndexType(indices!)) return 'no such axis, or the indices are not integers';
    const shape = [...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)];
    return [{ dtype: x!.dtype, shape }];
  },
  backward: (g, { inputs: [x, indices], attrs: { axis } }) => {
    const axes = normalizeAxes(g.shape.length);
    const indexAxes = axes.slice(axis, axis + indices!.shape.length);
    const indexFirst = transpose(g, [...indexAxes, ...axes.filter((i) => !indexAxes.includes(i))]);
    const zeros = full([x!.shape[axis]!, ...reduceShape(x!.shape, [axis], false)], 0, g.dtype);
    const rows = scatterAddRows(zeros, indices!, indexFirst);
    const order = normalizeAxes(x!.shape.length).map((i) => (i === axis ? 0 : i < axis ? i + 1 : i));
    return [transpose(rows, order), null];
  },
};

/**
 * Adds each update to the row (entry of axis 0) that its index selects. A row that is selected twice gets both
 * updates. The last axis of the indices has size 1.
 */
const ScatterND: Op = {
  name: 'ScatterND',
  cost: streamingCost,
  castPolicy: 'float32',
  infer: ([into, indices, updates]) => {
    if (indices!.shape.at(-1) !== 1 || indices!.dtype !== 'int64') return 'the indices are not int64[..., 1]';
    const expected = [...indices!.shape.slice(0, -1), ...into!.shape.slice(1)];
    return sameShape(updates!.shape, expected) && updates!.dtype === into!.dtype
      ? [into!]
      : 'the updates do not fit the rows';
  },
  backward: (g, { inputs: [, indices] }) => [
    g,
    null,
    gather(g, reshape(indices!, indices!.shape.slice(0, -1))),
  ],
  onnx: () => ({ attrs: addReduction }),
  lower: ([into, indices, updates]) => {
    const rows = reshape(updates!, [countOf(indices!.shape), -1]);
    const flat = reshape(into!, [into!.shape[0]!, -1]);
    const rowIndices = expand(cast(reshape(indices!, [-1, 1]), 'int32'), rows.shape);
    return [reshape(scatterAdd(flat, rowIndices, rows, 0), into!.shape)];
  },
};

/** Whether `indices` have the shape of `x` in every axis but `axis`. */
const fitsAlong = (x: Shape, indices: Shape, axis: number): boolean =>
  axis in x && sameShape(reduceShape(x, [axis], true), reduceShape(indices, [axis], true));

/** One element per index along an axis; on the other axes, indices and elements have the same position. */
const GatherElements: Op<Axis> = {
  name: 'GatherElements',
  cost: streamingCost,
  castPolicy: 'float32',
  infer: ([x, indices], { axis }) =>
    fitsAlong(x!.shape, indices!.shape, axis) && isIndexType(indices!)
      ? [{ dtype: x!.dtype, shape: indices!.shape }]
      : 'the indices do not fit along the axis',
  backward: (g, { inputs: [x, indices], attrs: { axis } }) => [
    scatterAdd(zerosLike(x!), indices!, g, axis),
    null,
  ],
};

/** Adds each update to the element that its index selects along an axis. */
const ScatterElements: Op<Axis> = {
  name: 'ScatterElements',
  cost: streamingCost,
  castPolicy: 'promote-bfloat16',
  infer: ([into, indices, updates], { axis }) =>
    fitsAlong(into!.shape, indices!.shape, axis) &&
    isIndexType(indices!) &&
    sameShape(indices!.shape, updates!.shape) &&
    into!.dtype === updates!.dtype
      ? [into!]
      : 'the updates do not fit',
  backward: (g, { inputs: [, indices], attrs: { axis } }) => [g, null, gatherElements(g, indices!, axis)],
  onnx: ({ attrs: { axis } }) => ({ attrs: { axis, ...addReduction } }),
};

/** A new last axis of size `depth` with 1 at the index and 0 elsewhere. */
const OneHot: Op<{ readonly depth: number; readonly to: DType }> = {
  name: 'OneHot',
  cost: streamingCost,
  castPolicy: 'float32',
  infer: ([indices], { depth, to }) =>
    indices!.dtype === 'int64'
      ? [{ dtype: to, shape: [...indices!.shape, depth] }]
      : 'the indices are not int64',
  backward: null,
  onnx: ({ inputs: [indices], attrs: { depth, to } }) => ({
    inputs: [indices!, constant(depth, 'int64'), constant([0, 1], to)],
    attrs: { axis: -1 },
  }),
  lower: ([indices], { depth, to }) => {
    const range = Array.from({ length: depth }, (_, i) => i);
    return [cast(equal(unsqueeze(indices!, [-1]), constant(range, indices!.dtype)), to)];
  },
};

export const lookupOps = { Gather, GatherElements, ScatterND, ScatterElements, OneHot };

/** Entries of `axis` selected by `indices` (int32 or int64), whose axes replace that axis. */
export const gather = (x: Value, indices: Value, axis = 0): Value =>
  emitOne(Gather, [x, indices], { axis: normalizeAxis(axis, x.shape.length) });

/** One element of `x` per index along `axis`, like `torch.gather`. */
export const gatherElements = (x: Value, indices: Value, axis: number): Value =>
  emitOne(GatherElements, [x, indices], { axis: normalizeAxis(axis, x.shape.length) });

/** `into` with each update added to the row that its index selects; updates [...indices, ...row]. */
export const scatterAddRows = (into: Value, indices: Value, updates: Value): Value =>
  emitOne(ScatterND, [into, cast(reshape(indices, [...indices.shape, 1]), 'int64'), updates], {});

/** `into` with each update added to the element that its index selects, like `torch.scatter_add`. */
export const scatterAdd = (into: Value, indices: Value, updates: Value, axis: number): Value =>
  emitOne(ScatterElements, [into, indices, updates], { axis: normalizeAxis(axis, into.shape.length) });

export const oneHot = (indices: Value, depth: number, to: DType = 'float32'): Value =>
  emitOne(OneHot, [cast(indices, 'int64')], { depth, to });
