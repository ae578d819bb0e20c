/** @file Arithmetic of shapes that the op table's rows share. */
import { countOf, type Shape, type Type } from '../graph.ts';

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((size, i) => size === b[i]);

/** The shape both broadcast to, or undefined. */
export function broadcastShape(a: Shape, b: Shape): Shape | undefined {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return undefined;
    out.push(x === 1 ? y : x);
  }
  return out;
}

/** Whether `from` broadcasts to exactly `to`. */
export function broadcastsTo(from: Shape, to: Shape): boolean {
  const shape = broadcastShape(from, to);
  return shape !== undefined && sameShape(shape, to);
}

/** An axis counted from the front. Out of range gives -1. */
export const axisOf = (axis: number, rank: number): number =>
  axis >= -rank && axis < rank ? (axis + rank) % rank : -1;

/** Axes counted from the front, sorted; all of them when none are given. */
export const axesOf = (rank: number, axes?: readonly number[]): readonly number[] =>
  axes
    ? axes.map((axis) => axisOf(axis, rank)).sort((a, b) => a - b)
    : Array.from({ length: rank }, (_, i) => i);

/** `shape` without `axes`, or with ones in their places. */
export const withoutAxes = (shape: Shape, axes: readonly number[], keep: boolean): Shape =>
  keep ? shape.map((size, i) => (axes.includes(i) ? 1 : size)) : shape.filter((_, i) => !axes.includes(i));

export const replaceAxis = (shape: Shape, axis: number, size: number): Shape =>
  shape.map((s, i) => (i === axis ? size : s));

/** `shape` with its one -1 filled in for `count` elements, or undefined where that cannot be. */
export function filledShape(shape: Shape, count: number): Shape | undefined {
  const known = countOf(shape.filter((size) => size !== -1));
  const filled = shape.map((size) => (size === -1 ? count / known : size));
  return countOf(filled) === count &&
    filled.every(Number.isInteger) &&
    shape.filter((s) => s === -1).length <= 1
    ? filled
    : undefined;
}

/** The order that undoes a permutation. */
export const inverse = (perm: readonly number[]): readonly number[] => perm.map((_, i) => perm.indexOf(i));

export const floats: readonly string[] = ['float32', 'float16', 'bfloat16', 'float64'];
export const isFloat = ({ dtype }: Pick<Type, 'dtype'>): boolean => floats.includes(dtype);
export const isIndex = ({ dtype }: Pick<Type, 'dtype'>): boolean => dtype === 'int32' || dtype === 'int64';
