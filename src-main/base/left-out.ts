/** @file What a text leaves out: records of a file that gave no document, and documents that a filter left out. */
import { z } from 'zod';
import type { FilterReason } from './text-filter.ts';

/** How many are left out, by reason. A reason of a filter is present if there is one. */
export interface LeftOut extends Partial<Record<FilterReason, number>> {
  /** Records without the field. */
  missing: number;
  /** Records whose field is null or an empty text. */
  empty: number;
}

const count = z.number().int().nonnegative();

export const leftOutSchema: z.ZodType<LeftOut> = z.object({
  missing: count,
  empty: count,
  short: count.exactOptional(),
  long: count.exactOptional(),
  duplicate: count.exactOptional(),
  language: count.exactOptional(),
});

export const noneLeftOut: Readonly<LeftOut> = { missing: 0, empty: 0 };

/** The counts of several files together. */
export function sumLeftOut(all: readonly LeftOut[]): LeftOut {
  const sum: LeftOut = { ...noneLeftOut };
  for (const one of all)
    for (const [reason, n] of Object.entries(one) as [keyof LeftOut, number][])
      sum[reason] = (sum[reason] ?? 0) + n;
  return sum;
}
