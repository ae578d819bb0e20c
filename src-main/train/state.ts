/** @file The state of training as flat buckets, so that the optimizer is a dozen operators a bucket. */
import { hasWeightDecay } from '../model/parameters.ts';
import type { ModelFamily } from '../model/family.ts';
import type { Parameter } from '../model/parameters.ts';
import { countElements } from '../tensor/layout.ts';
import type { Bucket, BucketKey, Slot } from './bucket.ts';
import {
  partsOf,
  ruleOf,
  rules,
  type Factors,
  type OptimizerId,
  type StatePart,
} from './optimizers/index.ts';

export type { Bucket, Slot } from './bucket.ts';
export type { StatePart } from './optimizers/index.ts';

/** Name of a state tensor in graphs: `expAvg/0`. */
export const stateName = (part: StatePart | 'gradient' | 'mask', bucket: Bucket): string =>
  `${part}/${bucket.index}`;

/** Names of every state tensor of `buckets`, moving averages included where they are kept. */
export const stateNames = (
  buckets: readonly Bucket[],
  settings: { readonly emaDecay?: number } = {},
): readonly string[] =>
  buckets.flatMap((bucket) => partsOf(bucket, settings).map((part) => stateName(part, bucket)));

/** A string that is equal for weights that may share a bucket. */
export const bucketKeyOf = (b: BucketKey): string =>
  `${b.rule} ${b.lrScale} ${b.epsScale} ${b.normShare} ${b.hasWeightDecay} ${b.slotLength}` +
  `${b.isFrozen ? ' frozen' : ''}${b.isMasked ? ' masked' : ''}${b.isLate ? ' late' : ''}`;

export interface BucketOptions {
  /** Most elements of a bucket; a larger weight has a bucket of its own. */
  readonly maxElements: number;
  /** Factors of grown weights by name; a weight without an entry was not grown. */
  readonly factors?: ReadonlyMap<string, Factors>;
  readonly optimizer?: OptimizerId;
  /** Default: all weights are trained from the start. */
  readonly trainable?: Trainable;
}

/** Which weights are trained. */
export interface Trainable {
  isFrozen(name: string): boolean;
  /** True for a weight of which the new entries alone are trained. */
  isMasked(name: string): boolean;
  /** True for a weight that was frozen at first. */
  isLate(name: string): boolean;
}

/** The buckets whose weights are trained. */
export const trainedBuckets = (buckets: readonly Bucket[]): readonly Bucket[] =>
  buckets.filter(({ isFrozen }) => !isFrozen);

/** Groups weights by how they are updated and by their size; weights keep their order within a group. */
export function bucketsOf(
  family: ModelFamily,
  parameters: readonly Parameter[],
  { maxElements, factors = new Map<string, Factors>(), optimizer = 'adamw', trainable }: BucketOptions,
): readonly Bucket[] {
  const groups = new Map<string, { readonly key: BucketKey; readonly members: Parameter[] }>();
  for (const parameter of parameters) {
    const rule = ruleOf(optimizer, family, parameter);
    const scales = rules[rule].scale(factors.get(parameter.name), parameter);
    const slotLength = countElements(parameter.shape);
    const key: BucketKey = {
      rule,
      ...scales,
      hasWeightDecay: hasWeightDecay(parameter.spec),
      ...(trainable?.isFrozen(parameter.name) ? { isFrozen: true } : {}),
      ...(trainable?.isMasked(parameter.name) ? { isMasked: true } : {}),
      ...(trainable?.isLate(parameter.name) ? { isLate: true } : {}),
      slotLength,
    };
    const name = bucketKeyOf(key);
    const group = groups.get(name);
    if (group) group.members.push(parameter);
    else groups.set(name, { key, members: [parameter] });
  }
  const buckets: Bucket[] = [];
  for (const { key, members } of groups.values())
    for (const { slots, length } of packSlots(members, maxElements))
      buckets.push({ index: buckets.length, ...key, slots, length });
  return buckets;
}

/** Packs weights in order into as few buckets as `maxElements` allows. */
function packSlots(
  parameters: readonly Parameter[],
  maxElements: number,
): readonly { readonly slots: readonly Slot[]; readonly length: number }[] {
  const packs: { slots: Slot[]; length: number }[] = [];
  for (const { name, shape } of parameters) {
    const count = countElements(shape);
    let pack = packs.at(-1);
    if (!pack || pack.length + count > maxElements) {
      pack = { slots: [], length: 0 };
      packs.push(pack);
    }
    pack.slots.push({ name, shape, offset: pack.length, count });
    pack.length += count;
  }
  return packs;
}
