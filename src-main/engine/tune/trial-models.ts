/** @file The models of a tuning's trials: the source, changed in place where options are tuned, and the grown one. */
import { applyStages } from '../../growth/apply/apply-stages.ts';
import { planGrowth } from '../../growth/plan/plan.ts';
import { stagesFromRecord } from '../../growth/plan/saved-plan.ts';
import { listSourceWeights, multiplyScales, planStages } from '../../growth/plan/stages.ts';
import type { GrowthPlan, GrowthRequest, GrowthSource } from '../../growth/recipe.ts';
import { settingsOf } from '../../model/config.ts';
import { familyById } from '../../model/families/index.ts';
import { parametersOf } from '../../model/parameters.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { mupFactors, mupModelOf } from '../../train/mup.ts';
import type { TrainingSettings } from '../../train/settings.ts';
import type { TrialValues, TrialWidth, Tuning } from '../../train/tuning/tuning.ts';
import type { Device } from '../ort/device.ts';
import {
  loadModel,
  randomWeights,
  type LoadedModel,
  type ModelShape,
  type WeightSource,
} from '../model/weights.ts';

/** The checkpoint of a tuning in float32. */
export interface TunedSource {
  readonly checkpoint: Checkpoint;
  readonly weights: WeightSource;
}

/** A model before its trial. */
interface TrialModel {
  readonly shape: ModelShape;
  readonly weights: WeightSource;
  /** What was done to the checkpoint. */
  readonly stages: readonly GrowthPlan[];
}

const growthSourceOf = ({ checkpoint: { summary, config, settings } }: TunedSource): GrowthSource => ({
  ...summary,
  config,
  settings,
});

/** The requests of a growth with the values of the options that are tuned. */
export function requestsWith(
  { grow, options }: Pick<Tuning, 'grow' | 'options'>,
  values: TrialValues,
): readonly GrowthRequest[] {
  const tuned = Object.fromEntries(options.map(({ id }) => [id, values[id]!]));
  return (grow ?? []).map((request, i) =>
    // Only the method of the first stage works on the source.
    i === 0 ? { ...request, options: { ...request.options, ...tuned } } : request,
  );
}

function planTrial(
  source: TunedSource,
  tuning: Tuning,
  width: TrialWidth,
  values: TrialValues,
): readonly GrowthPlan[] {
  const requests = requestsWith(tuning, values);
  if (width === 'target') return planStages(growthSourceOf(source), requests);
  if (tuning.options.length === 0) return [];
  return [planGrowth(growthSourceOf(source), { ...requests[0]!, to: {} }, { inPlace: true })];
}

/** Weights that `stages` make of those of the source, one at a time. */
function grownWeights({ checkpoint, weights }: TunedSource, stages: readonly GrowthPlan[]): WeightSource {
  const { family, dims, settings } = checkpoint;
  const parameters = new Map(parametersOf(family, dims, settings).map((one) => [one.name, one]));
  return async ({ name }) => {
    const inputs = listSourceWeights(stages, name);
    const values = await Promise.all(
      inputs.map(async (input) => [input, await weights(parameters.get(input)!)] as const),
    );
    return applyStages(stages, name, new Map(values));
  };
}

function modelOf(source: TunedSource, tuning: Tuning, width: TrialWidth, values: TrialValues): TrialModel {
  const stages = planTrial(source, tuning, width, values);
  const last = stages.at(-1);
  if (!last) return { shape: source.checkpoint, weights: source.weights, stages };
  const family = familyById(last.family);
  const shape = { family, dims: last.to, settings: settingsOf(family, last.config) };
  return { shape, weights: grownWeights(source, stages), stages };
}

/** Loads the model of a trial onto the device, with the rates of µP. */
export async function loadTrialModel(
  device: Device,
  source: TunedSource,
  tuning: Tuning,
  { width, values }: { readonly width: TrialWidth; readonly values: TrialValues },
  settings: TrainingSettings,
): Promise<LoadedModel> {
  const { shape, weights, stages } = modelOf(source, tuning, width, values);
  const mup = mupModelOf(shape, settings)!;
  const isRandom = settings.init === 'random';
  const before = isRandom ? [] : stagesFromRecord(source.checkpoint.growth, { before: true });
  const grown = multiplyScales([...before, ...(isRandom ? [] : stages)]);
  return loadModel(device, shape, isRandom ? randomWeights(shape, settings.seed, mup) : weights, {
    optimizer: settings.optimizer,
    factors: mupFactors(mup, grown),
  });
}
