/** @file The inputs of training graphs: state in buckets, and scalars. */
import { stateNames, type Bucket } from '../../src-main/train/state.ts';
import type { HostScalars } from '../../src-main/train/update.ts';

type State = Record<string, Float32Array>;
type Weights = ReadonlyMap<string, ArrayLike<number>>;

/** The bucket of a state tensor such as `expAvg/0`. */
export const bucketOf = (name: string, buckets: readonly Bucket[]): Bucket =>
  buckets[Number(name.split('/')[1])]!;

/** Every state tensor: the weights, and 0 for everything else. */
export function initialState(
  buckets: readonly Bucket[],
  weights: Weights,
  settings: { readonly emaDecay?: number } = {},
): State {
  const state: State = {};
  for (const name of stateNames(buckets, settings))
    state[name] = new Float32Array(bucketOf(name, buckets).length);
  for (const bucket of buckets)
    for (const slot of bucket.slots)
      state[`weights/${bucket.index}`]!.set(weights.get(slot.name)!, slot.offset);
  return state;
}

/** The state after a step, from the outputs of its graph. */
export const nextState = (buckets: readonly Bucket[], outputs: Readonly<State>): State =>
  Object.fromEntries(stateNames(buckets).map((name) => [name, outputs[`next/${name}`]!]));

export const toScalarFeeds = (scalars: Partial<HostScalars>): State =>
  Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, Float32Array.of(value)]));
