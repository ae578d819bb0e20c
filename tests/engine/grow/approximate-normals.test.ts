/** @file Numbers of noise drawn eight at a time are those drawn one by one. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { keyOf } from '../../../src-main/base/random.ts';
import { fastBells } from '../../../src-main/engine/grow/approximate-normals.ts';
import { drawBells } from '../../../src-main/growth/apply/noise.ts';

const fast = fastBells();

it('of any key and number, and so is the sum of their squares', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.oneof(
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 8180, max: 8210 }),
        fc.constantFrom(16_384, 16_385, 40_000),
      ),
      (key, count) => {
        const slow = new Int16Array(count);
        const quick = new Int16Array(count);
        expect(fast(key, quick)).toBe(drawBells(key, slow));
        expect(quick).toEqual(slow);
      },
    ),
    { numRuns: 60 },
  );
});

it('has the deviation that normalAt divides by', () => {
  const numbers = new Int16Array(2 ** 20);
  const squares = fast(keyOf(1, 'x'), numbers);
  expect(Math.sqrt(squares / numbers.length) / Math.sqrt((8 * (256 ** 2 - 1)) / 12)).toBeCloseTo(1, 2);
});
