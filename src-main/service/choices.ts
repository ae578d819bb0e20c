/** @file What a person can choose: sizes, growth methods with their options, settings of training. One description, for every way in. */
export { methods } from '../growth/methods/index.ts';
export { sizesFrom, sizesOf } from '../growth/sizes.ts';
export { readOption, type Option } from '../base/option.ts';
export { trainingDefaults, trainingOptions, type TrainingSettings } from '../train/settings.ts';
export type { GrowthPlan, GrowthRequest, TensorRecipe } from '../growth/recipe.ts';
