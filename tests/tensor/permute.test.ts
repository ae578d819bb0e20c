/** @file Reordered axes have every value where its index says, and the inverse order undoes it. */
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { countElements } from '../../src-main/tensor/layout.ts';
import { inverseOrder, permuteAxes, permutedShape } from '../../src-main/tensor/permute.ts';

/** A shape and an order of its axes. */
const reordering = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    order: fc.shuffledSubarray(
      shape.map((_, i) => i),
      { minLength: shape.length },
    ),
  }),
);

const valueAt = (values: Float32Array, shape: readonly number[], index: readonly number[]): number =>
  values[index.reduce((at, i, axis) => at * shape[axis]! + i, 0)]!;

it('moves every value to its place', () => {
  fc.assert(
    fc.property(reordering, ({ shape, order }) => {
      const values = Float32Array.from({ length: countElements(shape) }, (_, i) => i);
      const out = permuteAxes(values, shape, order);
      const newShape = permutedShape(shape, order);
      for (let flat = 0; flat < values.length; flat++) {
        let rest = flat;
        const index = shape.map((_, axis) => {
          const stride = countElements(shape.slice(axis + 1));
          const i = Math.floor(rest / stride);
          rest -= i * stride;
          return i;
        });
        const moved = order.map((axis) => index[axis]!);
        expect(valueAt(out, newShape, moved)).toBe(flat);
      }
      expect(permuteAxes(out, newShape, inverseOrder(order))).toEqual(values);
    }),
  );
});

it('refuses a shape of another size', () => {
  expect(() => permuteAxes(new Float32Array(3), [2, 2], [1, 0])).toThrow(RangeError);
});
