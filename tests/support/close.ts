/** @file The matcher `toBeClose` for arrays of numbers, and the tolerances of each dtype. */
import { expect } from 'vitest';

/**
 * Largest allowed |actual - expected|, relative to max(1, largest |expected|), for values that were computed
 * in a dtype by short sums.
 */
export const tolerances = {
  float64: 1e-9,
  float32: 4e-6,
  float16: 4e-3,
  bfloat16: 3e-2,
  /** Gradients by central differences in float64 with a step of 1e-5. */
  differences: 1e-7,
} as const;
export type Tolerance = keyof typeof tolerances;

interface Comparison {
  /** Largest |actual - expected|; Infinity for NaN or different lengths. */
  readonly worst: number;
  /** Index of the worst element. */
  readonly at: number;
  /** max(1, largest |expected|). */
  readonly scale: number;
  /** Why the arrays cannot be compared. */
  readonly why?: string;
}

/** Finds the largest difference between two arrays. */
export function compareArrays(actual: ArrayLike<number>, expected: ArrayLike<number>): Comparison {
  let worst = 0;
  let at = 0;
  let scale = 1;
  if (actual.length !== expected.length)
    return { worst: Infinity, at: 0, scale, why: `${actual.length} elements, not ${expected.length}` };
  for (let i = 0; i < actual.length; i++) {
    const a = actual[i]!;
    const e = expected[i]!;
    if (Number.isFinite(e)) scale = Math.max(scale, Math.abs(e));
    const difference = Object.is(a, e) || a === e ? 0 : Math.abs(a - e);
    if (!(difference <= worst)) {
      worst = Number.isNaN(difference) ? Infinity : difference;
      at = i;
    }
  }
  return { worst, at, scale };
}

/** The indices of flat element `index` in an array of `shape`, as `[i, j]`. */
function formatIndex(index: number, shape: readonly number[]): string {
  const indices: number[] = [];
  let rest = index;
  for (const size of shape.toReversed()) {
    indices.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${indices.join(', ')}]`;
}

expect.extend({
  toBeClose(
    actual: ArrayLike<number>,
    expected: ArrayLike<number>,
    tolerance: Tolerance,
    shape?: readonly number[],
  ) {
    const { worst, at, scale, why } = compareArrays(actual, expected);
    const most = tolerances[tolerance] * scale;
    return {
      pass: worst <= most,
      message: () =>
        why ??
        `largest difference at ${formatIndex(at, shape ?? [actual.length])}: ${actual[at]}, expected ` +
          `${expected[at]}; ${worst.toExponential(2)} is more than the ${most.toExponential(2)} of ${tolerance}`,
    };
  },
});

declare module 'vitest' {
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown> {
    /**
     * Asserts that all elements agree within the tolerance of a dtype. With `shape`, a failure reports the
     * indices of the worst element instead of its flat index.
     */
    toBeClose(
      expected: T extends ArrayLike<number> ? ArrayLike<number> : never,
      tolerance: Tolerance,
      shape?: readonly number[],
    ): R;
  }
}
