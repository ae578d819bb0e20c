/**
 * @file What a growth method is: how an axis is carried over, how new entries are filled, what it promises. A
 * method is a table of answers and names no family.
 */
import type { Option, OptionValues } from '../base/option.ts';
import type { AxisMap } from '../tensor/axis-map.ts';
import type { Axis, Dims, Role } from '../tensor/layout.ts';
import type { ModelFamily, TensorKind, TensorSpec } from '../model/family.ts';
import type { Change } from './plan/correction.ts';
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
export interface Nearest {
  readonly nearest: readonly number[];
  readonly why?: string;
}

/**
 * Where a weight gains entries without a source. `part` names the entry of a fused axis, where the weight has
 * one.
 */
export interface Place {
  readonly family: ModelFamily;
  readonly key: string;
  readonly kind: TensorKind;
  readonly axis: Axis;
  readonly role: Role;
  readonly part?: string;
}

/** What a method does to every weight beyond maps and fills. */
export interface Finish {
  readonly spread: TensorRecipe['spread'];
  /** Paired noise, dB. */
  readonly noise: number | null;
  /** Random entries that cancel over the copies of an input. */
  readonly projects: boolean;
  /**
   * Which factors keep the function: `stream` stretches a padded stream (variant B), `gains` changes eps
   * instead (variant A), `none` leaves old values as they are.
   */
  readonly keeps: 'stream' | 'gains' | 'none';
}
export const plain: Finish = { spread: 'symmetric', noise: null, projects: false, keeps: 'stream' };

/** A mixture of experts to be made of a dense model. */
export interface Mixing {
  readonly experts: number;
  /** Experts that a token reads. */
  readonly active: number;
  /** Experts that are slices of one MLP; 1 where each is a whole one. */
  readonly shards: number;
  /** Whether the weights of the chosen experts are made to sum to one. */
  readonly sums: boolean;
  /** Factors of what experts write, and of what they read with. */
  readonly outputs: number;
  readonly inputs: number;
  /** What share of the unevenness of its router training adds to the loss. */
  readonly balance: number;
  /** Standard deviation of the router's weights. */
  readonly deviation: number;
}

/** One line of a family's table, as it is about to be grown. */
export interface Weight {
  readonly change: Change;
  readonly key: string;
  readonly spec: TensorSpec;
  /** The deviation of a new model's weights. */ readonly deviation: number;
}

/** What is the same for a weight in all layers. */
export type Line = Pick<
  TensorRecipe,
  | 'factors'
  | 'fills'
  | 'partFills'
  | 'spread'
  | 'noise'
  | 'projection'
  | 'perturbation'
  | 'deviation'
  | 'rate'
  | 'gradient'
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
  readonly unsure?: string;
  readonly options: readonly Option[];
  /** The sizes it can grow. */
  readonly grows: readonly (Axis | 'layers')[];
  /** Whether it can grow an axis that the family calls frozen. */
  thaws?(family: ModelFamily, axis: Axis): boolean;
  /** Sizes that its options decide and the wish does not name. */
  complete?(from: Dims, wish: Dims, options: OptionValues): Dims;
  /** The map of a grown axis, or the sizes nearest to the wish where it cannot be reached. */
  carry(change: AxisChange, options: OptionValues): AxisMap | Nearest;
  fill(place: Place, options: OptionValues): Fill;
  /** For `layers`: where each new layer comes from. Absent where depth does not grow. */
  layers?(from: number, to: number, options: OptionValues): readonly LayerSource[] | Nearest;
  /** Further copies of what a layer writes come from the layer after it. */
  readonly ahead?: boolean;
  /** Of a method that makes mixtures of experts: another family comes out of it, and no size is named. */
  mixes?(options: OptionValues): Mixing;
  finish(options: OptionValues): Finish;
  /** What it does otherwise to one weight. */
  adapt?(weight: Weight, line: Line, options: OptionValues): Partial<Line>;
  /** `grown`: the axes that change; absent where the method is only being offered. */
  promise(family: ModelFamily, options: OptionValues, grown?: readonly string[]): Promised;
  /** Why new entries of this axis would never learn, if so. */
  dead?(family: ModelFamily, axis: Axis, options: OptionValues): string | undefined;
  /** Warnings and advice that only this method has. */
  notes?(change: { readonly from: Dims; readonly to: Dims }, options: OptionValues): readonly string[];
}
