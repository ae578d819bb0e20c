/** @file Adam's moments through the maps of a growth, so that training goes on where the source's stopped (methods.md 1.11). */
import { layoutOf, type Dims } from '../tensor/layout.ts';
import { applyRecipe, type Values } from './apply.ts';
import { recipeOf } from './chain.ts';
import type { AxisMaps, Factor, GrowthPlan, TensorRecipe } from './recipe.ts';

/** Both moments of a weight, in stored order. */
export interface Moments<T extends Values> { readonly mean: T; readonly square: T }

/** The moments of a grown weight: f times the source's mean and f² times its square in every copy; what has no source, and layers that start as the identity, start at zero. The step count stays. */
export function growMoments<T extends Values>(recipe: TensorRecipe, maps: AxisMaps, from: Dims, to: Dims, { mean, square }: Moments<T>): Moments<T> {
  const once = gradientFactors(recipe, maps);
  const bare: TensorRecipe = { ...recipe, fills: {}, partFills: [], spread: 'symmetric', noise: null, projection: null, perturbation: 0, offset: 0, silent: recipe.silent || recipe.fresh === true };
  const grown = (values: T, factors: readonly Factor[]): T => applyRecipe({ ...bare, factors }, maps, from, to, values, 0);
  return { mean: grown(mean, once), square: grown(square, [...once, ...once]) };
}

/** The moments of one weight of the last stage, from those of the first source's weight that it is made from. */
export function momentsThrough<T extends Values>(stages: readonly GrowthPlan[], name: string, sources: (name: string) => Promise<Moments<T>>): Promise<Moments<T>> {
  const plan = stages.at(-1);
  if (!plan) return sources(name);
  const recipe = recipeOf(plan, name);
  return momentsThrough(stages.slice(0, -1), recipe.source, sources).then((moments) => growMoments(recipe, plan.maps, plan.from, plan.to, moments));
}

/** The gradient factor f as factors: entries of fused axes, and outputs that are copied unevenly, have factors of their own. */
function gradientFactors({ factors, gradient, layout }: TensorRecipe, maps: AxisMaps): readonly Factor[] {
  const uneven = layoutOf(layout).axes.filter(({ axis, role }) => role !== 'in' && maps[axis]?.counts), why = 'the gradient of one among equal copies';
  return [
    { why, by: uneven.reduce((product, { axis }) => product * (maps[axis]!.to / maps[axis]!.from), gradient) },
    ...uneven.map(({ axis }): Factor => ({ why, by: maps[axis]!.from / maps[axis]!.to, shared: axis })),
    ...factors.flatMap((f): readonly Factor[] => (f.part ? [{ why: 'undoes the factor of the weight', by: 1 / f.by, part: f.part }] : [])),
  ];
}
