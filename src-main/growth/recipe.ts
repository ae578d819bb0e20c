/** @file A growth plan as JSON: it decides every value, and the code that applies it decides nothing. */
import type { JsonObject } from '../base/json.ts';
import type { OptionValues } from '../base/option.ts';
import type { AxisMap } from '../tensor/axis-map.ts';
import type { WeightDType } from '../tensor/dtype.ts';
import type { Axis, Dims } from '../tensor/layout.ts';
import type { Settings, TensorKind } from '../model/family.ts';
import type { PromiseKind } from '../model/promise.ts';

/** What the planner reads of the checkpoint to grow. A `CheckpointSummary` is one. */
export interface GrowthSource {
  readonly family: string;
  readonly dims: Dims;
  readonly settings: Settings;
  readonly config: JsonObject;
  readonly tensors: readonly { readonly name: string; readonly dtype: WeightDType }[];
}

export interface GrowthRequest {
  readonly method: string;
  /** New sizes. A size that is not named follows from the others, or stays. */
  readonly to: Dims;
  readonly options: OptionValues;
  /** Seed of noise and of randomly initialised entries, an integer up to 2^53. */
  readonly seed: number;
  /** `keep`: every weight keeps its dtype. */
  readonly dtype: 'keep' | WeightDType;
}

/** One entry of a fused axis, such as the queries of a fused qkv. */
export interface Part {
  readonly axis: Axis;
  readonly entry: number;
}

/**
 * Multiplies old values by `by`; `why` is the reason as a sentence for the user. With `part`, applies to one
 * entry of a fused axis. With `shared`, divides each entry of that axis by its number of copies, and `by` is
 * the mean of these factors.
 */
export interface Factor {
  readonly why: string;
  readonly by: number;
  readonly part?: Part;
  readonly shared?: Axis;
}

/**
 * How entries without a source are initialised: zeros, ones, normally distributed (`draw`), the mean of the old
 * entries of their stored dimension, or, for rows, by linear interpolation between the old rows around them
 * (`between`). Where two axes are new at once, the first of zero, one, draw, between, mean applies.
 */
export type Fill = 'zero' | 'one' | 'draw' | 'mean' | 'between';

/** How one weight of the grown model is made. `layout`, `from` and `to` are in stored order. */
export interface TensorRecipe {
  /** Name in the grown checkpoint, without prefix. */
  readonly name: string;
  /**
   * Name of the source weight. A router, which is randomly initialised, names a weight of the same width and
   * takes no values from it.
   */
  readonly source: string;
  readonly kind: TensorKind;
  readonly layout: string;
  /** Stored shapes before and after. */
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly dtype: WeightDType;
  /** All factors that old values are multiplied by. */
  readonly factors: readonly Factor[];
  /** The fill of each axis that gains entries without a source. */
  readonly fills: Readonly<Partial<Record<Axis, Fill>>>;
  /** Fills of new entries within one entry of a fused axis, where they differ from `fills`. */
  readonly partFills?: readonly { readonly axis: Axis; readonly part: Part; readonly fill: Fill }[];
  /**
   * The weight is made from slice `at` of `of` equal slices of the source along `axis`: an expert that is a
   * slice of an MLP.
   */
  readonly slice?: { readonly axis: Axis; readonly at: number; readonly of: number };
  /** This many consecutive randomly initialised rows are equal. */
  readonly equalRows?: number;
  /** A second source weight: further copies along the output are made from its entries (AKI). */
  readonly second?: string;
  /** Standard deviation of randomly initialised entries. */
  readonly std: number;
  /** `diagonal`: copy i of the output reads only copy i (modulo the number of input copies) of the input. */
  readonly spread: 'symmetric' | 'diagonal';
  /** Signal-to-noise ratio in dB per block of paired noise on the copies of the input; null for none. */
  readonly noise: number | null;
  /**
   * Standard deviation of random entries that sum to zero over the copies of each input (LEMON's projection);
   * null for none.
   */
  readonly projection: number | null;
  /** Standard deviation of random values added to every entry, old and new; 0 for none. */
  readonly perturbation: number;
  /** All zeros: an output projection of a layer that starts as the identity. */
  readonly zeroOutput: boolean;
  /** Belongs to a new layer that starts as the identity. Its weights are copies, its moments start at zero. */
  readonly newLayer?: true;
  /** Constant subtracted from a norm's gain in the file (Gemma stores gains minus 1). */
  readonly offset: number;
  /** Value factor c of docs/methods.md, Learning rates and moments: scales the learning rate, divides weight decay. */
  readonly lrScale: number;
  /**
   * Gradient factor f of docs/methods.md, Learning rates and moments: the gradient of a grown entry is f times
   * that of its source. The mean where entries differ.
   */
  readonly gradScale: number;
}

/** The source layer of a layer of the grown model. An `identity` layer initially adds nothing. */
export interface LayerSource {
  readonly source: number;
  readonly identity: boolean;
}

/** What the growth preserves, with the reasons as sentences for the user. */
export interface Promised {
  readonly kind: PromiseKind;
  readonly why: readonly string[];
}

export interface GrowthPlan {
  readonly version: 3;
  /** Family of the grown model. */
  readonly family: string;
  /** The request, with every option of the method filled in. */
  readonly request: GrowthRequest;
  readonly from: Dims;
  readonly to: Dims;
  /** The new config.json. */
  readonly config: JsonObject;
  readonly maps: AxisMaps;
  readonly layers: readonly LayerSource[];
  readonly tensors: readonly TensorRecipe[];
  readonly promise: Promised;
  /** Axes whose new entries never receive a gradient, with the reason. */
  readonly dead: readonly { readonly axis: Axis; readonly why: string }[];
  /** Warnings and advice, one sentence each. */
  readonly notes: readonly string[];
  /** `active`: the parameters that one token uses, if the model is a mixture of experts. */
  readonly parameters: {
    readonly before: number;
    readonly after: number;
    readonly active?: { readonly before: number; readonly after: number };
  };
}

/** The map of each axis that changes. Axes that are missing stay as they are. */
export type AxisMaps = Readonly<Partial<Record<Axis, AxisMap>>>;
