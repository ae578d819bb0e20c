/** @file The factors that a plan gives a weight. */
import type { GrowthPlan, TensorRecipe } from '../../../src-main/growth/recipe.ts';

/** The recipe of the weight whose name ends with `name`. */
export const recipeOf = (plan: GrowthPlan, name: string): TensorRecipe =>
  plan.tensors.find((recipe) => recipe.name.endsWith(name))!;

/** The product of a weight's factors. */
export const factorOf = (plan: GrowthPlan, name: string): number =>
  recipeOf(plan, name).factors.reduce((product, factor) => product * factor.by, 1);
