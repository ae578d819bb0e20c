/** @file What will be done to every weight, as data: a plan decides everything, and what executes it decides nothing. JSON from top to bottom. */
import type { JsonObject } from '../base/json.ts';
import type { OptionValues } from '../base/option.ts';
import type { AxisMap } from '../tensor/axis-map.ts';
import type { WeightDType } from '../tensor/dtype.ts';
import type { Axis, Dims } from '../tensor/layout.ts';
import type { Settings, TensorKind } from '../model/family.ts';

/** What is grown, as far as a plan needs it; a `CheckpointCard` is one. */
export interface GrowthSource {
  readonly family: string;
  readonly dims: Dims;
  readonly settings: Settings;
  readonly config: JsonObject;
  readonly tensors: readonly { readonly name: string; readonly dtype: WeightDType }[];
}

/** What a growth is asked to be. */
export interface GrowthRequest {
  readonly method: string;
  /** New sizes; what is not named follows from the others, or stays. */
  readonly to: Dims;
  readonly options: OptionValues;
  /** Of noise and of newly drawn entries; any whole number up to 2^53. */
  readonly seed: number;
  /** `keep`: every weight keeps its own. */
  readonly dtype: 'keep' | WeightDType;
}

/** Old values are multiplied by `by`. `part` limits it to one entry of a fused axis. */
export interface Factor { readonly why: string; readonly by: number; readonly part?: { readonly axis: Axis; readonly entry: number } }

/** How entries without a source are made: zeros, ones, drawn at random (normal), or the mean of the old entries of their stored dimension. Where two axes are new at once, the first of zero, one, draw, mean wins. */
export type Fill = 'zero' | 'one' | 'draw' | 'mean';

/** One weight of the grown model. `layout`, `from`, `to` are in stored order. */
export interface TensorRecipe {
  /** Its name in the grown checkpoint, without prefix. */
  readonly name: string;
  /** The weight of the source it is made from. */
  readonly source: string;
  readonly kind: TensorKind;
  readonly layout: string;
  /** Stored shapes before and after. */
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly dtype: WeightDType;
  /** All that is applied to old values, and nothing else is. */
  readonly factors: readonly Factor[];
  /** For each axis that gains entries without a source. */
  readonly fills: Readonly<Partial<Record<Axis, Fill>>>;
  /** Standard deviation of drawn entries. */
  readonly deviation: number;
  /** `diagonal`: copy i of the output reads copy i (modulo the copies of the input) of the input alone. */
  readonly spread: 'symmetric' | 'diagonal';
  /** Paired noise on the copies of the input, at this signal-to-noise ratio in dB per block; null for none. */
  readonly noise: number | null;
  /** All zeros: a writer of a layer that starts as the identity. */
  readonly silent: boolean;
  /** A gain stored minus this. */
  readonly offset: number;
  /** The value factor c of methods.md 1.11: learning rate times this, weight decay divided by it. */
  readonly rate: number;
}

/** Where a layer of the grown model comes from; an `identity` layer adds nothing to the stream at first. */
export interface LayerSource { readonly source: number; readonly identity: boolean }

export interface Promised { readonly kind: 'exact' | 'approximate'; readonly why: readonly string[] }

export interface GrowthPlan {
  readonly version: 1;
  readonly family: string;
  /** As asked, with every option of the method filled in. */
  readonly request: GrowthRequest;
  readonly from: Dims;
  readonly to: Dims;
  /** The new config.json. */
  readonly config: JsonObject;
  /** One map per axis that changes. */
  readonly maps: AxisMaps;
  readonly layers: readonly LayerSource[];
  readonly tensors: readonly TensorRecipe[];
  readonly promise: Promised;
  /** Warnings and advice, one sentence each. */
  readonly notes: readonly string[];
  readonly parameters: { readonly before: number; readonly after: number };
}

/** One map per axis that changes; what is not here is kept. */
export type AxisMaps = Readonly<Partial<Record<Axis, AxisMap>>>;
