/** @file Applies one recipe of a plan in float32, for tests of the interpreter and of device graphs. */
import { applyRecipe } from '../../../src-main/growth/apply/apply.ts';
import type { GrowthPlan, TensorRecipe } from '../../../src-main/growth/recipe.ts';
import type { TinyModel } from '../tiny-model.ts';

/** A weight of the source in float32, or undefined without a name. */
export function readFloat32(source: TinyModel, name: string): Float32Array;
export function readFloat32(source: TinyModel, name: string | undefined): Float32Array | undefined;
export function readFloat32(source: TinyModel, name: string | undefined): Float32Array | undefined {
  return name === undefined ? undefined : Float32Array.from(source.weights.get(name)!);
}

/** The weight that a recipe makes, in float32. */
export function applyInFloat32(
  source: TinyModel,
  plan: GrowthPlan,
  recipe: TensorRecipe,
  seed = plan.request.seed,
): Float32Array {
  const values = readFloat32(source, recipe.source);
  const second = readFloat32(source, recipe.second);
  return applyRecipe(recipe, plan.maps, plan.from, plan.to, values, seed, second);
}
