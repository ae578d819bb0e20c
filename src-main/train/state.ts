/**
 * @file The state of training as flat buckets: weights that are updated alike lie back to back, so that the
 * optimizer is a dozen operators per bucket.
 */
import { countOf } from '../tensor/layout.ts';
import type { ModelFamily } from '../model/family.ts';
import { decays, type Parameter } from '../model/parameters.ts';
import {
  partsOf,
  ruleOf,
  rules,
  type Factors,
  type OptimizerId,
  type RuleId,
  type StatePart,
} from './optimizers/index.ts';

export type { StatePart } from './optimizers/index.ts';

/** Where one weight lies in its bucket, in elements. */
export interface Slot {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly count: number;
}

export interface Bucket {
  /** Its name in graphs: `weights/0`, with `mean/0` and `square/0` beside it. */
  readonly index: number;
  /** How its weights are updated. */
  readonly rule: RuleId;
  /** Learning rate times this (methods.md 1.11, as the rule sees it). */
  readonly rate: number;
  /** Adam's epsilon times this. */
  readonly eps: number;
  /**
   * What its squared gradient counts in the global norm: that of the source, where the weights are its
   * copies.
   */
  readonly share: number;
  readonly decays: boolean;
  readonly slots: readonly Slot[];
  readonly length: number;
}

export const stateName = (part: StatePart | 'gradient', bucket: Bucket): string => `${part}/${bucket.index}`;
/** Every tensor of the state of `buckets`, averages included where they are kept. */
export const stateNames = (
  buckets: readonly Bucket[],
  kept: { readonly ema?: number } = {},
): readonly string[] => buckets.flatMap((b) => partsOf(b, kept).map((part) => stateName(part, b)));

/** What marks buckets of one kind: they are updated alike. */
export const kindOf = (b: Pick<Bucket, 'rule' | 'rate' | 'eps' | 'share' | 'decays'>): string =>
  `${b.rule} ${b.rate} ${b.eps} ${b.share} ${b.decays}`;

export interface BucketOptions {
  /** Elements of the largest bucket, unless one weight is larger. */
  readonly most: number;
  /** Learning-rate and gradient factors of grown weights; 1 for what is not named. */
  readonly factors?: ReadonlyMap<string, Factors>;
  readonly optimizer?: OptimizerId;
}

/** Weights grouped by how they are updated, in their own order. */
export function bucketsOf(
  family: ModelFamily,
  parameters: readonly Parameter[],
  { most, factors = new Map<string, Factors>(), optimizer = 'adamw' }: BucketOptions,
): readonly Bucket[] {
  const groups = new Map<
    string,
    { readonly kind: Omit<Bucket, 'index' | 'slots' | 'length'>; readonly members: Parameter[] }
  >();
  for (const p of parameters) {
    const rule = ruleOf(optimizer, family, p);
    const kind = { rule, ...rules[rule].scaled(factors.get(p.name), p), decays: decays(p.spec) };
    const key = kindOf(kind);
    const group = groups.get(key);
    if (group) group.members.push(p);
    else groups.set(key, { kind, members: [p] });
  }
  const buckets: Bucket[] = [];
  for (const { kind, members } of groups.values()) {
    let slots: Slot[] = [];
    let length = 0;
    const close = (): void => {
      if (slots.length > 0) buckets.push({ index: buckets.length, ...kind, slots, length });
      slots = [];
      length = 0;
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
