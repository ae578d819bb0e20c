/** @file Breaks growth plans, for tests that check that a broken plan changes the logits. */
import type { JsonObject } from '../../src-main/base/json.ts';
import { planGrowth } from '../../src-main/growth/plan/plan.ts';
import type { GrowthRequest, TensorRecipe } from '../../src-main/growth/recipe.ts';
import { growWeights, makeTinyModel, maxLogitChange } from './tiny-model.ts';

export type RecipeChange = (recipe: TensorRecipe) => TensorRecipe;

/** Phrases from the reasons of factors, by which tests find a factor. */
export const reasons = {
  equalCopies: 'equal copies of',
  unevenCopies: 'each is divided by its number of copies',
  streamScale: 'stream to keep its',
  undoneStreamScale: 'undoes the scaling of the stream',
  tiedHead: 'compensates for the head',
  scores: 'scores sum',
  newNormInputs: 'of its input, which has new entries',
  normAfter: 'that the norm after it sees',
  embeddingScale: 'compensates for the embedding scale',
  postNorm: 'its values move to the last of the new layers',
} as const;

/** Leaves out the factors whose reason contains `reason`. */
export const withoutFactor =
  (reason: string): RecipeChange =>
  (recipe) => ({ ...recipe, factors: recipe.factors.filter((factor) => !factor.why.includes(reason)) });

/** Fills new entries with zeros where the plan fills them with the mean of the old ones. */
export const zerosForMeans: RecipeChange = (recipe) => {
  const fills = Object.entries(recipe.fills).map(([axis, fill]) => [axis, fill === 'mean' ? 'zero' : fill]);
  return { ...recipe, fills: Object.fromEntries(fills) as TensorRecipe['fills'] };
};

/** Keeps the biases of layers that should compute nothing. */
export const keepBiases: RecipeChange = (recipe) =>
  recipe.kind === 'bias' ? { ...recipe, zeroOutput: false } : recipe;

/** Plans a growth, changes its recipes, and returns the largest change of a logit. */
export function breakAndMeasure(config: JsonObject, request: GrowthRequest, change: RecipeChange): number {
  const source = makeTinyModel(config);
  const plan = planGrowth(source, request);
  return maxLogitChange(source, plan, growWeights(plan, source.weights, change));
}
