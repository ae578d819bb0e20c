/** @file Binary search in ascending arrays. */

/** How many leading entries satisfy `isLeading`, which holds for a prefix of `values`. */
function countLeading(values: Float64Array, isLeading: (value: number) => boolean): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isLeading(values[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The number of entries of ascending `values` below `limit`. */
export const countBelow = (values: Float64Array, limit: number): number =>
  countLeading(values, (value) => value < limit);

/** The number of entries of ascending `values` that are at most `limit`. */
export const countUpTo = (values: Float64Array, limit: number): number =>
  countLeading(values, (value) => value <= limit);
