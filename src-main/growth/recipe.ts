/**
 * @file What will be done to every weight, as data: a plan decides everything, and what executes it decides
 * nothing. JSON from top to bottom.
 */
import type { JsonObject } from '../base/json.ts';
import type { OptionValues } from '../base/option.ts';
import type { AxisMap } from '../tensor/axis-map.ts';
import type { WeightDType } from '../tensor/dtype.ts';
import type { Axis, Dims } from '../tensor/layout.ts';
import type { Settings, TensorKind } from '../model/family.ts';

/** What is grown, as far as a plan needs it; a `CheckpointSummary` is one. */
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

/** One entry of a fused axis. */
export interface Part {
  readonly axis: Axis;
  readonly entry: number;
}

/**
 * Old values are multiplied by `by`. `part` limits it to one entry of a fused axis. With `shared`, each entry
 * of that axis is divided by how often it stands there, and `by` is the mean of that.
 */
export interface Factor {
  readonly why: string;
  readonly by: number;
  readonly part?: Part;
  readonly shared?: Axis;
}

/**
 * How entries without a source are made: zeros, ones, drawn at random (normal), or the mean of the old
 * entries of their stored dimension. Where two axes are new at once, the first of zero, one, draw, mean wins.
 */
export type Fill = 'zero' | 'one' | 'draw' | 'mean';

/** One weight of the grown model. `layout`, `from`, `to` are in stored order. */
export interface TensorRecipe {
  /** Its name in the grown checkpoint, without prefix. */
  readonly name: string;
  /**
   * The weight of the source it is made from; for a router, which is drawn, one of the same width that gives
   * it no value.
   */
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
  /** Where new entries of an axis within one entry of a fused axis are filled otherwise. */
  readonly partFills?: readonly { readonly axis: Axis; readonly part: Part; readonly fill: Fill }[];
  /**
   * The weight is made from the `at`-th of `of` equal slices of the source along `axis`: an expert that is a
   * part of an MLP.
   */
  readonly slice?: { readonly axis: Axis; readonly at: number; readonly of: number };
  /** Rows that are drawn come in groups of so many equal ones. */
  readonly equalRows?: number;
  /** A second weight of the source: further copies of what is written are made from its entries (AKI). */
  readonly second?: string;
  /** Standard deviation of drawn entries. */
  readonly std: number;
  /** `diagonal`: copy i of the output reads copy i (modulo the copies of the input) of the input alone. */
  readonly spread: 'symmetric' | 'diagonal';
  /**
   * Paired noise on the copies of the input, at this signal-to-noise ratio in dB per block; null for none.
   */
  readonly noise: number | null;
  /**
   * Standard deviation of random entries that sum to nothing over the copies of each input (LEMON's
   * projection); null for none.
   */
  readonly projection: number | null;
  /** Standard deviation of random values added to every entry, old and new; 0 for none. */
  readonly perturbation: number;
  /** All zeros: a writer of a layer that starts as the identity. */
  readonly zeroOutput: boolean;
  /** Of a new layer that starts as the identity: its weights are copies, their training is not. */
  readonly newLayer?: true;
  /** A gain stored minus this. */
  readonly offset: number;
  /** The value factor c of methods.md 1.11: learning rate times this, weight decay divided by it. */
  readonly lrScale: number;
  /**
   * The gradient factor f of methods.md 1.11: a grown entry's gradient is the source's times this; the mean
   * where entries differ.
   */
  readonly gradScale: number;
}

/** Where a layer of the grown model comes from; an `identity` layer adds nothing to the stream at first. */
export interface LayerSource {
  readonly source: number;
  readonly identity: boolean;
}

export interface Promised {
  readonly kind: 'exact' | 'approximate';
  readonly why: readonly string[];
}

export interface GrowthPlan {
  readonly version: 2;
  /** Of the grown model. */
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
  /** Axes whose new entries no training would ever move, with the reason. */
  readonly dead: readonly { readonly axis: Axis; readonly why: string }[];
  /** Warnings and advice, one sentence each. */
  readonly notes: readonly string[];
  /** `active`: those that one token passes, where experts stand beside each other. */
  readonly parameters: {
    readonly before: number;
    readonly after: number;
    readonly active?: { readonly before: number; readonly after: number };
  };
}

/** One map per axis that changes; what is not here is kept. */
export type AxisMaps = Readonly<Partial<Record<Axis, AxisMap>>>;
