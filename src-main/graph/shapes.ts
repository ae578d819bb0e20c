/** @file Arithmetic of shapes that operators and passes share. */
import { countOf, type Shape } from './graph.ts';

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((size, i) => size === b[i]);

/** The shape that `a` and `b` broadcast to; undefined if they do not. */
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

/** `axis` counted from the front: -1 becomes `rank` - 1. Returns -1 if it is out of range. */
export const normalizeAxis = (axis: number, rank: number): number =>
  axis >= -rank && axis < rank ? (axis + rank) % rank : -1;

/** Axes counted from the front and sorted; all axes if none are given. */
export const normalizeAxes = (rank: number, axes?: readonly number[]): readonly number[] =>
  axes
    ? axes.map((axis) => normalizeAxis(axis, rank)).sort((a, b) => a - b)
    : Array.from({ length: rank }, (_, i) => i);

/** `shape` reduced over `axes`: they are removed, or become 1 if `keep` is true. */
export const reduceShape = (shape: Shape, axes: readonly number[], keep: boolean): Shape =>
  keep ? shape.map((size, i) => (axes.includes(i) ? 1 : size)) : shape.filter((_, i) => !axes.includes(i));

/** `shape` with the size of one axis replaced. */
export const replaceAxis = (shape: Shape, axis: number, size: number): Shape =>
  shape.map((s, i) => (i === axis ? size : s));

/** `shape` with its -1 (at most one) computed from the element count; undefined if that is impossible. */
export function resolveShape(shape: Shape, count: number): Shape | undefined {
  const known = countOf(shape.filter((size) => size !== -1));
  const resolved = shape.map((size) => (size === -1 ? count / known : size));
  const isValid =
    countOf(resolved) === count &&
    resolved.every(Number.isInteger) &&
    shape.filter((size) => size === -1).length <= 1;
  return isValid ? resolved : undefined;
}

/** The permutation that undoes `perm`. */
export const inversePermutation = (perm: readonly number[]): readonly number[] =>
  perm.map((_, i) => perm.indexOf(i));
