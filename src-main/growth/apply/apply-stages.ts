/** @file Applies several growths to one weight at a time. */
import { refuse } from '../../base/errors.ts';
import { findRecipe, listInputs } from '../plan/stages.ts';
import type { GrowthPlan } from '../recipe.ts';
import { applyRecipe } from './apply.ts';
import type { Values } from './copy-rows.ts';

/**
 * The weight `name` of the last stage, from weights of the first source. Values are not rounded to a stored
 * dtype between stages.
 */
export function applyStages<T extends Values>(
  stages: readonly GrowthPlan[],
  name: string,
  sources: ReadonlyMap<string, T>,
): T {
  const plan = stages.at(-1);
  if (!plan)
    return sources.get(name) ?? refuse('checkpoint/missing-tensors', { path: 'the source', names: [name] });
  const earlier = stages.slice(0, -1);
  const recipe = findRecipe(plan, name);
  const [first, second] = listInputs(recipe).map((input) => applyStages(earlier, input, sources));
  return applyRecipe(recipe, plan.maps, plan.from, plan.to, first!, plan.request.seed, second);
}
