/** @file What a growth method is: how an axis is carried over, how new entries are filled, what it promises. */
import type { Option, OptionValues } from '../base/option.ts';
import type { AxisMap } from '../tensor/axis-map.ts';
import type { Axis, Role } from '../tensor/layout.ts';
import type { ModelFamily, TensorKind } from '../model/family.ts';
import type { Fill, LayerSource, Promised, TensorRecipe } from './recipe.ts';

export interface AxisChange { readonly axis: Axis; readonly from: number; readonly to: number }

/** One place of a weight that gains entries without a source. `reads` are the roles this axis has in other weights that meet it. */
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
  /** The map of a grown axis; refuses a size it cannot reach, naming the nearest. */
  carry(change: AxisChange, options: OptionValues): AxisMap;
  fill(place: Place, options: OptionValues): Fill;
  /** For `layers`: where each new layer comes from. Absent where depth does not grow. */
  layers?(from: number, to: number, options: OptionValues): readonly LayerSource[];
  /** What it does to a weight beyond maps and fills. */
  finish(options: OptionValues): Pick<TensorRecipe, 'spread' | 'noise'>;
  promise(family: ModelFamily, options: OptionValues): Promised;
}
