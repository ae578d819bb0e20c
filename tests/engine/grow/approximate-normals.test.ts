/** @file The vectorised approximate normals equal those of the reference implementation. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { deriveKey } from '../../../src-main/base/random.ts';
import { loadApproximateNormals } from '../../../src-main/engine/grow/approximate-normals.ts';
import { drawApproximateNormals } from '../../../src-main/growth/apply/noise.ts';

const fast = loadApproximateNormals();

it('draws the same numbers and sums of squares as the reference for any key and count', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.oneof(
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 8180, max: 8210 }),
        fc.constantFrom(16_384, 16_385, 40_000),
      ),
      (key, count) => {
        const expected = new Int16Array(count);
        const actual = new Int16Array(count);
        expect(fast(key, actual)).toBe(drawApproximateNormals(key, expected));
        expect(actual).toEqual(expected);
      },
    ),
    { numRuns: 60 },
  );
});

it('has the standard deviation that normalAt divides by', () => {
  const numbers = new Int16Array(2 ** 20);
  const squares = fast(deriveKey(1, 'x'), numbers);
  expect(Math.sqrt(squares / numbers.length) / Math.sqrt((8 * (256 ** 2 - 1)) / 12)).toBeCloseTo(1, 2);
});
