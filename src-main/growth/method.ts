/** @file The interface of a growth method. A method does not depend on model families. */
import type { Option, OptionValues } from '../base/option.ts';
import type { AxisMap } from '../tensor/axis-map.ts';
import type { Axis, Dims, Role } from '../tensor/layout.ts';
import type { ModelFamily, Settings, TensorKind, TensorSpec } from '../model/family.ts';
import type { Fill, LayerSource, Promised, TensorRecipe } from './recipe.ts';

/** An axis to grow. `family` and `seed` are missing when only the reachable sizes matter. */
export interface AxisChange {
  readonly axis: Axis;
  readonly from: number;
  readonly to: number;
  readonly family?: ModelFamily;
  readonly seed?: number;
}

/** A size that the method cannot reach, with the nearest sizes that it can. */
export interface UnreachableSize {
  readonly nearest: readonly number[];
  /** The reason, unless it is that only multiples are possible. */
  readonly why?: string;
}

/** Where a weight gains entries without a source. */
export interface Insertion {
  readonly family: ModelFamily;
  readonly key: string;
  readonly kind: TensorKind;
  readonly axis: Axis;
  readonly role: Role;
  /** The entry of a fused axis, if the weight has one. */
  readonly part?: string;
}

/** What a method does to every weight in addition to maps and fills. */
export interface WeightRules {
  readonly spread: TensorRecipe['spread'];
  /** Signal-to-noise ratio of paired noise in dB; null for none. */
  readonly noise: number | null;
  /** Whether to add random entries that sum to zero over the copies of an input. */
  readonly projection: boolean;
  /**
   * How factors preserve the function when the stream is padded: `stream` scales up the stream (variant B of
   * docs/methods.md, Norms), `gains` scales gains and eps (variant A), `none` leaves old values as they are.
   */
  readonly preserveBy: 'stream' | 'gains' | 'none';
}

export const defaultRules: WeightRules = {
  spread: 'symmetric',
  noise: null,
  projection: false,
  preserveBy: 'stream',
};

/** A mixture of experts to make from a dense model. */
export interface MixtureSettings {
  readonly experts: number;
  readonly expertsPerToken: number;
  /** Number of experts that are slices of one MLP; 1 if each is a complete copy. */
  readonly shards: number;
  /** Whether the router weights of the selected experts are normalized to sum to one. */
  readonly normTopkProb: boolean;
  /** Factor of the experts' output projections. */
  readonly outputScale: number;
  /** Factor of the experts' input projections. */
  readonly inputScale: number;
  /** Coefficient of the load-balancing loss in training. */
  readonly auxLossCoef: number;
  /** Standard deviation of the router's initial weights. */
  readonly routerStd: number;
}

/** The growth that a weight's factors depend on. */
export interface GrowthContext {
  readonly family: ModelFamily;
  /** Whether the grown model's head is tied to the embedding. */
  readonly tied: boolean;
  readonly from: Dims;
  readonly to: Dims;
  /** Settings before and after. They differ if, for example, the dtype changes. */
  readonly settings: { readonly before: Settings; readonly after: Settings };
  readonly preserveBy: WeightRules['preserveBy'];
  /** The map of any axis, including those that stay as they are. */
  map(axis: Axis): AxisMap;
}

/** One entry of a family's tensor table, about to be grown. */
export interface WeightContext {
  readonly context: GrowthContext;
  readonly key: string;
  readonly spec: TensorSpec;
  /** Standard deviation of a new model's weights. */
  readonly std: number;
}

/** The fields of a recipe that are the same for a weight in all layers. */
export type SharedRecipe = Pick<
  TensorRecipe,
  | 'factors'
  | 'fills'
  | 'partFills'
  | 'spread'
  | 'noise'
  | 'projection'
  | 'perturbation'
  | 'std'
  | 'lrScale'
  | 'gradScale'
>;

export interface GrowthMethod {
  readonly id: string;
  readonly title: string;
  /** One sentence that helps the user choose. */
  readonly summary: string;
  readonly paper: string;
  /** What differs from the paper, or could not be reproduced from it. */
  readonly caveat?: string;
  readonly options: readonly Option[];
  /** Options that change a model of the source's size too, so that they can be tuned there, with values to try. */
  readonly tunable?: Readonly<Record<string, readonly number[]>>;
  /** The sizes that it can grow. */
  readonly grows: readonly (Axis | 'layers')[];
  /** Whether it can grow an axis that the family declares frozen. */
  allowsFrozen?(family: ModelFamily, axis: Axis): boolean;
  /** Sizes that follow from its options and are not in the request. */
  sizesFromOptions?(from: Dims, requested: Dims, options: OptionValues): Dims;
  /** The map of a grown axis, or the nearest reachable sizes. */
  mapAxis(change: AxisChange, options: OptionValues): AxisMap | UnreachableSize;
  fill(insertion: Insertion, options: OptionValues): Fill;
  /** The source of each layer, or the nearest reachable depths. Missing if the method does not grow depth. */
  mapLayers?(from: number, to: number, options: OptionValues): readonly LayerSource[] | UnreachableSize;
  /** Whether further copies along the output come from the next layer. */
  readonly copiesNextLayer?: boolean;
  /** The mixture of experts that it makes. Such a method changes the family and takes no sizes. */
  mixture?(options: OptionValues): MixtureSettings;
  weightRules(options: OptionValues): WeightRules;
  /** Fields of one weight's recipe that differ from the usual ones. */
  adapt?(weight: WeightContext, recipe: SharedRecipe, options: OptionValues): Partial<SharedRecipe>;
  /** Whether it preserves the function. `grown` are the axes that change, unknown before there is a plan. */
  promise(family: ModelFamily, options: OptionValues, grown?: readonly string[]): Promised;
  /** Why new entries of this axis never receive a gradient; undefined if they do. */
  deadReason?(family: ModelFamily, axis: Axis, options: OptionValues): string | undefined;
  /** Warnings and advice that are specific to the method. */
  notes?(change: { readonly from: Dims; readonly to: Dims }, options: OptionValues): readonly string[];
}

/** A method with the options and the family of one growth. */
export interface ConfiguredMethod {
  readonly method: GrowthMethod;
  readonly options: OptionValues;
  readonly family: ModelFamily;
}
