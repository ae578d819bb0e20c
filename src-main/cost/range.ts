/** @file A figure that is not known exactly: the least, the likely and the most it may be. */

export interface Range {
  readonly low: number;
  readonly likely: number;
  readonly high: number;
}

export const times = (r: Range, by: number): Range => ({
  low: r.low * by,
  likely: r.likely * by,
  high: r.high * by,
});
/** `by / r`: the least becomes the most. */
export const over = (by: number, r: Range): Range => ({
  low: by / r.high,
  likely: by / r.likely,
  high: by / r.low,
});
/** Widened by a share on both sides. */
export const around = (value: number, share: number): Range => ({
  low: value / (1 + share),
  likely: value,
  high: value * (1 + share),
});
