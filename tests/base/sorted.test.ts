import { expect, it } from 'vitest';
import { countBelow, countUpTo } from '../../src-main/base/sorted.ts';

it('countUpTo counts the entries at or below a limit', () => {
  expect(countUpTo(Float64Array.of(1, 2, 3, 5), 3)).toBe(3);
  expect(countUpTo(Float64Array.of(1, 2, 3, 5), 0)).toBe(0);
  expect(countUpTo(Float64Array.of(1, 2, 3, 5), 9)).toBe(4);
});

it('countBelow counts the entries below a limit', () => {
  expect([0, 1, 3, 4, 9].map((limit) => countBelow(Float64Array.of(1, 2, 3, 5), limit))).toEqual([
    0, 0, 2, 3, 4,
  ]);
});
