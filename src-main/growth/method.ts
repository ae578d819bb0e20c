/** @file What a growth method is: how an axis is carried over, how new entries are filled, what it promises. A method is a table of answers and names no family. */
import type { Option, OptionValues } from '../base/option.ts';
import type { AxisMap } from '../tensor/axis-map.ts';
import type { Axis, Dims, Role } from '../tensor/layout.ts';
import type { ModelFamily, TensorKind } from '../model/family.ts';
import type { Fill, LayerSource, Promised, TensorRecipe } from './recipe.ts';

export interface AxisChange { readonly axis: Axis; readonly from: number; readonly to: number }

/** Where a weight gains entries without a source. */
export interface Place {
  readonly family: ModelFamily;
  readonly kind: TensorKind;
  readonly axis: Axis;
  readonly role: Role;
}

export interface GrowthMethod {
  readonly id: string;
  readonly title: string;
  /** One sentence for a person who chooses. */
  readonly summary: string;
  readonly paper: string;
  readonly options: readonly Option[];
  /** The sizes it can grow. */
  readonly grows: readonly (Axis | 'layers')[];
  /** The map of a grown axis, or the sizes nearest to the wish where it cannot be reached. */
  carry(change: AxisChange, options: OptionValues): AxisMap | { readonly nearest: readonly number[] };
  fill(place: Place, options: OptionValues): Fill;
  /** For `layers`: where each new layer comes from. Absent where depth does not grow. */
  layers?(from: number, to: number, options: OptionValues): readonly LayerSource[];
  /** What it does to a weight beyond maps and fills. */
  finish(options: OptionValues): Pick<TensorRecipe, 'spread' | 'noise'>;
  promise(family: ModelFamily, options: OptionValues): Promised;
  /** Warnings and advice that only this method has. */
  notes?(change: { readonly from: Dims; readonly to: Dims }, options: OptionValues): readonly string[];
}
