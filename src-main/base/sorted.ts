/** @file Searching in what ascends. */

function leading(values: Float64Array, counts: (value: number) => boolean): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (counts(values[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many leading entries of ascending `values` are less than `limit`. */
export const countBelow = (values: Float64Array, limit: number): number =>
  leading(values, (value) => value < limit);
/** How many leading entries of ascending `values` are at most `limit`. */
export const countUpTo = (values: Float64Array, limit: number): number =>
  leading(values, (value) => value <= limit);
