/** @file One matcher for arrays of numbers, and the only place where tolerances are written. */
import { expect } from 'vitest';

/**
 * Largest allowed |actual - expected|, as a share of the largest |expected| (or of 1 where that is smaller),
 * for values computed in a dtype by short sums.
 */
export const tolerances = {
  float64: 1e-9,
  float32: 4e-6,
  float16: 4e-3,
  bfloat16: 3e-2,
  /** Central differences in float64 with a step of 1e-5. */ differences: 1e-7,
} as const;
export type Tolerance = keyof typeof tolerances;

interface Comparison {
  readonly worst: number;
  readonly at: number;
  readonly scale: number;
  readonly why?: string;
}

/**
 * The worst place of two arrays: where the difference is largest, and how large against the largest expected
 * element.
 */
export function compare(actual: ArrayLike<number>, expected: ArrayLike<number>): Comparison {
  let worst = 0;
  let at = 0;
  let scale = 1;
  if (actual.length !== expected.length)
    return { worst: Infinity, at: 0, scale, why: `${actual.length} elements, not ${expected.length}` };
  for (let i = 0; i < actual.length; i++) {
    const a = actual[i]!;
    const e = expected[i]!;
    if (Number.isFinite(e)) scale = Math.max(scale, Math.abs(e));
    const off = Object.is(a, e) || a === e ? 0 : Math.abs(a - e);
    if (!(off <= worst)) {
      worst = Number.isNaN(off) ? Infinity : off;
      at = i;
    }
  }
  return { worst, at, scale };
}

/** The place of element `index` in an array of `shape`, as `[i, j]`. */
export function placeOf(index: number, shape: readonly number[]): string {
  const place: number[] = [];
  let rest = index;
  for (const size of shape.toReversed()) {
    place.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${place.join(', ')}]`;
}

expect.extend({
  toBeClose(
    actual: ArrayLike<number>,
    expected: ArrayLike<number>,
    tolerance: Tolerance,
    shape?: readonly number[],
  ) {
    const { worst, at, scale, why } = compare(actual, expected);
    const most = tolerances[tolerance] * scale;
    return {
      pass: worst <= most,
      message: () =>
        why ??
        `worst at ${placeOf(at, shape ?? [actual.length])}: ${actual[at]} against ${expected[at]}, off by ${worst.toExponential(2)} where ${tolerance} allows ${most.toExponential(2)}`,
    };
  },
});

declare module 'vitest' {
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown> {
    /**
     * Elements agree within the tolerance of a dtype, relative to the largest of them; `shape` tells the
     * worst one's place.
     */
    toBeClose(
      expected: T extends ArrayLike<number> ? ArrayLike<number> : never,
      tolerance: Tolerance,
      shape?: readonly number[],
    ): R;
  }
}
