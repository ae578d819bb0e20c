/** @file Growth methods, training settings and other options, for the command line. */
export { methods } from '../growth/methods/index.ts';
export { comparedMethods } from '../bakeoff/recipes.ts';
export {
  describeDifference,
  describeExtrapolation,
  describeFate,
  describeParameters,
  verdictLabels,
} from '../bakeoff/words.ts';
export { formatReport } from '../growth/certificate-report.ts';
export { describeCertificate, listCertificateRows } from '../growth/certificate-words.ts';
export { combinePromises, mergeNotes, summarizeSizes } from '../growth/plan/stages.ts';
export { diffPlans, type Difference } from '../growth/plan/plan-diff.ts';
export { addCosts, createWeightCosts, type WeightCost } from '../growth/plan/weight-costs.ts';
export { readPlan } from '../growth/plan/plan-file.ts';
export { joinMethodIds, type SavedPlan } from '../growth/plan/saved-plan.ts';
export { cudaPackages, getCudaVersionPattern, providerPackage } from '../store/gpu/packages.ts';
export { promiseLabels } from '../model/promise.ts';
export { families } from '../model/families/index.ts';
export { multiplySizes } from '../growth/plan/sizes.ts';
export { compareWithEstimate } from '../cost/calibration.ts';
export { assumptionOptions, type Assumptions } from '../cost/assumptions.ts';
export type { DeviceEstimate, Offer, StageEstimate } from '../cost/estimate.ts';
export {
  consolidations,
  engineIds,
  launchDefaults,
  slurmSettings,
  type LaunchSettings,
  type SlurmSettings,
} from '../train/launch.ts';
export { optionsOf, settingGroups, type Setting } from '../train/setting.ts';
export { settingTable, trainingDefaults, trainingOptions, type TrainingSettings } from '../train/settings.ts';
export type { GrowthPlan, GrowthRequest, TensorRecipe } from '../growth/recipe.ts';
export type { RunStage } from '../train/stages.ts';
export { stepsOf } from '../train/schedule.ts';
export { nextTrial } from '../train/tuning/search.ts';
export {
  bestTrial,
  settingsOfValues,
  tuningFile,
  tuningSchema,
  type Tuning,
} from '../train/tuning/tuning.ts';
export {
  describeBest,
  describeCoordinates,
  describeEnd,
  describeMultipliers,
  describeShift,
  isFlat,
  formatValue,
  nameOfValue,
  widthLabels,
} from '../train/tuning/words.ts';
