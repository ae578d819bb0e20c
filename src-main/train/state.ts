/** @file The state of training as flat buckets: weights that share a learning rate and decay lie back to back, so that the optimizer is a dozen operators per bucket. */
import { countOf } from '../tensor/layout.ts';
import { decays, type Parameter } from '../model/parameters.ts';

/** Where one weight lies in its bucket, in elements. */
export interface Slot { readonly name: string; readonly shape: readonly number[]; readonly offset: number; readonly count: number }

export interface Bucket {
  /** Its name in graphs: `weights/0`, with `mean/0` and `square/0` beside it. */
  readonly index: number;
  /** Learning rate times this; weight decay divided by it (methods.md 1.11). */
  readonly rate: number;
  readonly decays: boolean;
  readonly slots: readonly Slot[];
  readonly length: number;
}

/** The parts of the state that each bucket has. */
export const stateParts = ['weights', 'mean', 'square'] as const;
export type StatePart = (typeof stateParts)[number];
export const stateName = (part: StatePart | 'gradient', bucket: Bucket): string => `${part}/${bucket.index}`;

/** Weights grouped by (rate, decay) in their own order; a bucket holds at most `most` elements, or one weight that is larger. */
export function bucketsOf(parameters: readonly Parameter[], rates: ReadonlyMap<string, number>, most: number): readonly Bucket[] {
  const groups = new Map<string, Parameter[]>();
  for (const p of parameters) {
    const key = `${rates.get(p.name) ?? 1} ${decays(p.spec)}`;
    groups.set(key, [...(groups.get(key) ?? []), p]);
  }
  const buckets: Bucket[] = [];
  for (const members of groups.values()) {
    let slots: Slot[] = [], length = 0;
    const close = (): void => {
      if (slots.length > 0) buckets.push({ index: buckets.length, rate: rates.get(members[0]!.name) ?? 1, decays: decays(members[0]!.spec), slots, length });
      slots = []; length = 0;
    };
    for (const p of members) {
      const count = countOf(p.shape);
      if (length > 0 && length + count > most) close();
      slots.push({ name: p.name, shape: p.shape, offset: length, count });
      length += count;
    }
    close();
  }
  return buckets;
}
