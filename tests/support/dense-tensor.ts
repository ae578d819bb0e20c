/** @file Dense float64 tensors for the reference implementation of the ops: indexing and broadcasting. */

export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}
/** One index per axis. */
export type Index = readonly number[];

export const tensor = (shape: readonly number[], data: ArrayLike<number>): Tensor => ({
  shape,
  data: Float64Array.from(data),
});

export const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
/** 0, 1, …, n − 1. */
export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
export const elementCount = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

/** A tensor of `shape` whose element at each index is `f(index)`. */
export function fromFunction(shape: readonly number[], f: (index: Index) => number): Tensor {
  const data = new Float64Array(elementCount(shape));
  const index = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    data[i] = f(index);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      if (index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
  return { shape, data };
}

export const mapElements = (x: Tensor, f: (value: number) => number): Tensor => ({
  shape: x.shape,
  data: x.data.map((value) => f(value)),
});

/** Position in the flat data of the element at `index`. */
export function flatIndex(shape: readonly number[], index: Index): number {
  return shape.reduce((flat, size, axis) => flat * size + index[axis]!, 0);
}

/** The element of `x` at an index of its own shape. */
export const elementAt = (x: Tensor, index: Index): number => x.data[flatIndex(x.shape, index)]!;

/** The element of `x` at an index of a shape that `x` broadcasts to. */
export function broadcastElement(x: Tensor, index: Index): number {
  const offset = index.length - x.shape.length;
  let flat = 0;
  for (let axis = 0; axis < x.shape.length; axis++) {
    flat = flat * x.shape[axis]! + (x.shape[axis] === 1 ? 0 : index[axis + offset]!);
  }
  return x.data[flat]!;
}

/** The elements of the matrix of `x` at a batch index that `x` broadcasts to. */
export function matrixAt(x: Tensor, batch: Index): Float64Array {
  const size = x.shape.at(-1)! * x.shape.at(-2)!;
  const lead = x.shape.slice(0, -2);
  let at = 0;
  lead.forEach((n, i) => {
    at = at * n + (n === 1 ? 0 : batch[i + batch.length - lead.length]!);
  });
  return x.data.subarray(at * size, (at + 1) * size);
}

/** The shape that all shapes broadcast to. */
export function broadcastShape(shapes: readonly (readonly number[])[]): readonly number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return range(rank).map((i) => Math.max(...shapes.map((shape) => shape[i - rank + shape.length] ?? 1)));
}

/** A copy of `index` (or of a shape) with another value at one axis. */
export const withAxis = (index: Index, axis: number, value: number): number[] =>
  index.map((old, i) => (i === axis ? value : old));
