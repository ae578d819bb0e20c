import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { differenceFrom, finitePoints, valueAt } from '../../../src-renderer/state/curve-difference.ts';

const curve = (...points: readonly (readonly [number, number])[]) =>
  finitePoints([points.map(([x]) => x), points.map(([, y]) => y)]);

it('leaves out points that are not finite', () => {
  expect(
    finitePoints([
      [1, 2, Number.NaN, 4],
      [5, null, 6, 7],
    ]),
  ).toEqual(curve([1, 5], [4, 7]));
  expect(finitePoints([[]])).toEqual(curve());
});

describe('valueAt', () => {
  const line = curve([1, 10], [3, 20], [3, 30], [5, 0]);

  it('is linear between two points, and NaN outside of the curve', () => {
    expect([0.9, 1, 2, 4, 5, 5.1].map((x) => valueAt(line, x))).toEqual([NaN, 10, 15, 15, 0, NaN]);
  });

  it('takes the first of two points at the same x', () => {
    expect(valueAt(line, 3)).toBe(20);
  });
});

describe('differenceFrom', () => {
  it('covers the x values of the curve that are within the baseline', () => {
    const difference = differenceFrom(curve([2, 3], [4, 1]), curve([1, 9], [2, 9], [3, 4], [5, 1]));
    expect(difference).toEqual([
      [2, 3],
      [6, 2],
    ]);
  });

  it('is empty if the curves do not overlap', () => {
    expect(differenceFrom(curve([1, 1], [2, 1]), curve([3, 1], [4, 1]))).toEqual([[], []]);
  });

  it('of a curve from itself is zero', () => {
    const points = fc.array(fc.tuple(fc.integer({ min: 0, max: 1000 }), fc.integer()), { minLength: 1 });
    fc.assert(
      fc.property(points, (all) => {
        const unique = new Map([...all].sort(([a], [b]) => a - b));
        const own = curve(...unique);
        const [x, y] = differenceFrom(own, own);
        expect(x).toHaveLength(unique.size);
        expect([...y!].every((value) => value === 0)).toBe(true);
      }),
    );
  });
});
