/**
 * @file What a growth method is: how an axis is carried over, how new entries are filled, what it promises. A
 * method is a table of answers and names no family.
 */
import type { Option, OptionValues } from '../base/option.ts';
import type { AxisMap } from '../tensor/axis-map.ts';
import type { Axis, Dims, Role } from '../tensor/layout.ts';
import type { ModelFamily, TensorKind, TensorSpec } from '../model/family.ts';
import type { GrowthContext } from './plan/factors.ts';
import type { Fill, LayerSource, Promised, TensorRecipe } from './recipe.ts';

/** `family` and `seed` are absent where only reachable sizes are asked for. */
export interface AxisChange {
  readonly axis: Axis;
  readonly from: number;
  readonly to: number;
  readonly family?: ModelFamily;
  readonly seed?: number;
}

/**
 * What cannot be, with the sizes nearest to it that can; `why`, where it is not that only whole multiples
 * can.
 */
export interface UnreachableSize {
  readonly nearest: readonly number[];
  readonly why?: string;
}

/**
 * Where a weight gains entries without a source. `part` names the entry of a fused axis, where the weight has
 * one.
 */
export interface Insertion {
  readonly family: ModelFamily;
  readonly key: string;
  readonly kind: TensorKind;
  readonly axis: Axis;
  readonly role: Role;
  readonly part?: string;
}

/** What a method does to every weight beyond maps and fills. */
export interface WeightRules {
  readonly spread: TensorRecipe['spread'];
  /** Paired noise, dB. */
  readonly noise: number | null;
  /** Random entries that cancel over the copies of an input. */
  readonly projection: boolean;
  /**
   * Which factors keep the function: `stream` stretches a padded stream (variant B), `gains` changes eps
   * instead (variant A), `none` leaves old values as they are.
   */
  readonly preserveBy: 'stream' | 'gains' | 'none';
}
export const defaultRules: WeightRules = {
  spread: 'symmetric',
  noise: null,
  projection: false,
  preserveBy: 'stream',
};

/** A mixture of experts to be made of a dense model. */
export interface MixtureSettings {
  readonly experts: number;
  /** Experts that a token reads. */
  readonly expertsPerToken: number;
  /** Experts that are slices of one MLP; 1 where each is a whole one. */
  readonly shards: number;
  /** Whether the weights of the chosen experts are made to sum to one. */
  readonly normTopkProb: boolean;
  /** Factors of what experts write, and of what they read with. */
  readonly outputScale: number;
  readonly inputScale: number;
  /** What share of the unevenness of its router training adds to the loss. */
  readonly auxLossCoef: number;
  /** Standard deviation of the router's weights. */
  readonly routerStd: number;
}

/** One line of a family's table, as it is about to be grown. */
export interface WeightContext {
  readonly context: GrowthContext;
  readonly key: string;
  readonly spec: TensorSpec;
  /** The deviation of a new model's weights. */ readonly std: number;
}

/** What is the same for a weight in all layers. */
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
  /** One sentence for a person who chooses. */
  readonly summary: string;
  readonly paper: string;
  /**
   * What could not be read of its sources, and what stands here instead: shown as not known, never as fact
   * (methods.md 0.2, 14).
   */
  readonly caveat?: string;
  readonly options: readonly Option[];
  /** The sizes it can grow. */
  readonly grows: readonly (Axis | 'layers')[];
  /** Whether it can grow an axis that the family calls frozen. */
  allowsFrozen?(family: ModelFamily, axis: Axis): boolean;
  /** Sizes that its options decide and the wish does not name. */
  sizesFromOptions?(from: Dims, wish: Dims, options: OptionValues): Dims;
  /** The map of a grown axis, or the sizes nearest to the wish where it cannot be reached. */
  mapAxis(change: AxisChange, options: OptionValues): AxisMap | UnreachableSize;
  fill(place: Insertion, options: OptionValues): Fill;
  /** For `layers`: where each new layer comes from. Absent where depth does not grow. */
  mapLayers?(from: number, to: number, options: OptionValues): readonly LayerSource[] | UnreachableSize;
  /** Further copies of what a layer writes come from the layer after it. */
  readonly copiesNextLayer?: boolean;
  /** Of a method that makes mixtures of experts: another family comes out of it, and no size is named. */
  mixture?(options: OptionValues): MixtureSettings;
  weightRules(options: OptionValues): WeightRules;
  /** What it does otherwise to one weight. */
  adapt?(weight: WeightContext, line: SharedRecipe, options: OptionValues): Partial<SharedRecipe>;
  /** `grown`: the axes that change; absent where the method is only being offered. */
  promise(family: ModelFamily, options: OptionValues, grown?: readonly string[]): Promised;
  /** Why new entries of this axis would never learn, if so. */
  deadReason?(family: ModelFamily, axis: Axis, options: OptionValues): string | undefined;
  /** Warnings and advice that only this method has. */
  notes?(change: { readonly from: Dims; readonly to: Dims }, options: OptionValues): readonly string[];
}
