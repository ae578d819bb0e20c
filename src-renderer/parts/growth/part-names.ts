/** @file Names of the parts of a fused weight, such as query, key and value. */
import type { GrowthPlan, TensorRecipe } from '../../../src-main/growth/recipe.ts';
import { families } from '../../../src-main/model/families/index.ts';

/** The names of the parts that the factors of a weight refer to; empty if no factor is for one part only. */
export function partNamesOf(recipe: TensorRecipe, plan: GrowthPlan): readonly string[] {
  const axis = recipe.factors.find((factor) => factor.part)?.part?.axis;
  return axis === undefined ? [] : (families.get(plan.family)?.parts[axis] ?? []);
}
