/** @file Reorders the axes of a tensor in memory. */
import { countElements } from './layout.ts';

/** The shape of a tensor whose axis `i` is the old axis `order[i]`. */
export const permutedShape = (shape: readonly number[], order: readonly number[]): readonly number[] =>
  order.map((axis) => shape[axis]!);

/** The order that undoes `order`. */
export const inverseOrder = (order: readonly number[]): readonly number[] =>
  order.map((_, i) => order.indexOf(i));

const isIdentity = (order: readonly number[]): boolean => order.every((axis, i) => axis === i);

/** Reorders the axes of a row-major tensor. Returns `values` itself if the order changes nothing. */
export function permuteAxes(
  values: Float32Array,
  shape: readonly number[],
  order: readonly number[],
): Float32Array {
  if (countElements(shape) !== values.length)
    throw new RangeError(`[${shape.join(', ')}] does not have ${values.length} values`);
  if (isIdentity(order)) return values;
  // The innermost axes that stay where they are form one run, which is copied as a whole.
  let outer = order.length;
  while (outer > 0 && order[outer - 1] === outer - 1) outer--;
  const run = countElements(shape.slice(outer));
  const strides = shape.map((_, axis) => countElements(shape.slice(axis + 1)));
  const sizes = permutedShape(shape, order.slice(0, outer));
  const steps = order.slice(0, outer).map((axis) => strides[axis]!);
  const out = new Float32Array(values.length);
  const index = sizes.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.length; to += run) {
    if (run === 1) out[to] = values[from]!;
    else out.set(values.subarray(from, from + run), to);
    for (let axis = outer - 1; axis >= 0; axis--) {
      index[axis]!++;
      from += steps[axis]!;
      if (index[axis]! < sizes[axis]!) break;
      from -= steps[axis]! * sizes[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
