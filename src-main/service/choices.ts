/**
 * @file What a person can choose: sizes, growth methods with their options, settings of training. One
 * description, for every way in.
 */
export { methods } from '../growth/methods/index.ts';
export { extentOf, notesOf, promiseOf } from '../growth/plan/chain.ts';
export { diffPlans, type Difference } from '../growth/plan/plan-diff.ts';
export { methodsIn, readPlan, type SavedPlan } from '../growth/plan/saved-plan.ts';
export { cudaPackages, cudaVersions, providerPackage } from '../store/gpu/packages.ts';
export { families } from '../model/families/index.ts';
export { sizesFrom, sizesOf } from '../growth/plan/sizes.ts';
export { readOption, type Option } from '../base/option.ts';
export { againstTold } from '../cost/calibration.ts';
export { assumptionOptions, type Assumptions } from '../cost/assumptions.ts';
export type { OnDevice } from '../cost/estimate.ts';
export type { Range } from '../cost/range.ts';
export { trainingDefaults, trainingOptions, type TrainingSettings } from '../train/settings.ts';
export type { GrowthPlan, GrowthRequest, TensorRecipe } from '../growth/recipe.ts';
