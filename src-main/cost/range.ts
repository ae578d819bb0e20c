/** @file A figure that is only known within bounds. */
import { z } from 'zod';

export interface Range {
  readonly low: number;
  readonly likely: number;
  readonly high: number;
}

export const rangeSchema = z.object({ low: z.number(), likely: z.number(), high: z.number() });

/** `r · factor`. */
export const scaleRange = (r: Range, factor: number): Range => ({
  low: r.low * factor,
  likely: r.likely * factor,
  high: r.high * factor,
});

/** `value / r`; the low end of `r` gives the high end of the result. */
export const divideByRange = (value: number, r: Range): Range => ({
  low: value / r.high,
  likely: value / r.likely,
  high: value / r.low,
});

/** From `value / (1 + share)` to `value · (1 + share)`. */
export const widen = (value: number, share: number): Range => ({
  low: value / (1 + share),
  likely: value,
  high: value * (1 + share),
});

/** The sum of two figures whose errors go together. */
export const addRanges = (a: Range, b: Range): Range => ({
  low: a.low + b.low,
  likely: a.likely + b.likely,
  high: a.high + b.high,
});
