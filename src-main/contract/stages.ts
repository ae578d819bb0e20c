/**
 * @file The file of stages of a run that grows while it trains, and the checks that it and every request pass.
 * docs/training.md describes the file.
 */
import { z } from 'zod';
import { AppError, createError, describeError, refuse } from '../base/errors.ts';
import type { EstimatedStage } from '../cost/stages.ts';
import { listAddedWeights } from '../growth/added-weights.ts';
import { multiplySizes } from '../growth/plan/sizes.ts';
import { planStages, sourceFromPlan } from '../growth/plan/stages.ts';
import type { GrowthPlan, GrowthSource } from '../growth/recipe.ts';
import type { TrainingSettings } from '../train/settings.ts';
import { checkContextLength } from '../train/run-text.ts';
import {
  settingsInStage,
  stageEnd,
  stageSettingSchemas,
  type RunStage,
  type StageGrowth,
} from '../train/stages.ts';
import { schemasOf } from '../train/setting.ts';
import { settingTable } from '../train/settings.ts';
import { recipeStage } from './schema.ts';

/** A stage in a file: as in settings.json, but its growths are those of a recipe file. */
const givenStage = z.strictObject({
  grow: z.array(recipeStage).min(1).max(64).optional(),
  until: stageEnd.optional(),
  rewarmSteps: schemasOf(settingTable).rewarmSteps.optional(),
  ...stageSettingSchemas,
});
type GivenStage = z.infer<typeof givenStage>;
type GivenGrowth = NonNullable<GivenStage['grow']>[number];

const givenStages = z.array(givenStage).min(2).max(64);

/** Reads the stages of a file. Throws `file/bad-json` with the stage and the field that is wrong. */
export function parseStages(path: string, json: unknown): readonly GivenStage[] {
  const parsed = givenStages.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path: place, message } = parsed.error.issues[0]!;
  const [index, ...fields] = place.map(String);
  const why =
    index === undefined
      ? `the list of stages: ${message}`
      : [`stage ${Number(index) + 1}`, ...(fields.length > 0 ? [fields.join('.')] : []), message].join(': ');
  return refuse('file/bad-json', { path, why });
}

/**
 * Computes all sizes of the stages for a checkpoint. `times` are multiples of the sizes that the model has by then.
 * Throws `run/bad-stage`.
 */
export function resolveStages(source: GrowthSource, given: readonly GivenStage[]): readonly RunStage[] {
  let current = source;
  return given.map(({ grow, ...stage }, i) =>
    inStage(i, () => {
      const requests = grow?.map((growth) => {
        const request = completeGrowth(current, growth);
        current = sourceFromPlan(planStages(current, [request])[0]!);
        return request;
      });
      return { ...stage, ...(requests ? { grow: requests } : {}) } as RunStage;
    }),
  );
}

function completeGrowth(source: GrowthSource, growth: GivenGrowth): StageGrowth {
  const { method, times = {}, to = {}, options = {}, seed = 0, dtype = 'keep' } = growth;
  const both = Object.keys(to).find((name) => name in times);
  if (both !== undefined)
    refuse('growth/bad-option', { method, option: both, why: 'is in both times and to' });
  if (dtype !== 'keep' && dtype !== 'float32')
    refuse('growth/bad-option', { method, option: 'dtype', why: 'is float32 while a run trains' });
  return { method, to: { ...multiplySizes(times, source.dims), ...to }, options, seed, dtype } as StageGrowth;
}

/** What a stage trains: the plans of its growths, empty in the first stage, and its settings. */
export interface PlannedStage {
  readonly model: GrowthSource;
  readonly plans: readonly GrowthPlan[];
  readonly settings: TrainingSettings;
}

/** What an estimate needs of a stage. */
export const estimatedStage = ({ model, plans, settings }: PlannedStage): EstimatedStage => ({
  subject: { ...model, added: [...listAddedWeights(plans)] },
  settings,
});

/**
 * Plans all stages of a run, whose first trains `source`. Throws `run/bad-stage` if they do not follow each other,
 * cannot grow, or do not fit the model.
 */
export function planRunStages(
  source: GrowthSource,
  { settings, stages }: { readonly settings: TrainingSettings; readonly stages: readonly RunStage[] },
): readonly PlannedStage[] {
  let model = source;
  let tokens = 0;
  return stages.map((stage, i) =>
    inStage(i, () => {
      checkPlace(stage, i, stages.length);
      tokens = checkEnd(stage, settings, tokens);
      const plans = stage.grow ? planStages(model, stage.grow) : [];
      model = plans.length > 0 ? sourceFromPlan(plans.at(-1)!) : model;
      const inThisStage = settingsInStage(settings, stage);
      checkContextLength({ dims: model.dims, settings: model.settings }, inThisStage);
      return { model, plans, settings: inThisStage };
    }),
  );
}

/** Checks that a stage has what its place in the list asks for. */
function checkPlace({ grow, until, rewarmSteps }: RunStage, index: number, count: number): void {
  const wrong = (why: string): never => refuse('run/bad-setting', { setting: 'the stage', why });
  const isLast = index === count - 1;
  if (index === 0 && grow) wrong('is the first, which trains the checkpoint as it is: it must not grow');
  if (index === 0 && rewarmSteps !== undefined) wrong('is the first, whose warmup is --warmup-steps');
  if (index > 0 && !grow) wrong('does not say how the model grows');
  if (!isLast && !until) wrong('does not say when it ends');
  if (isLast && until)
    wrong('is the last, which ends with the tokens of the run: it must have no end of its own');
}

/** Checks the end of a stage that begins at `tokens` or later. Returns the tokens at which it ends at the earliest. */
function checkEnd({ until }: RunStage, settings: TrainingSettings, tokens: number): number {
  const wrong = (why: string): never => refuse('run/bad-setting', { setting: 'until', why });
  if (until?.loss !== undefined && (settings.heldOut === 0 || settings.evaluateEvery === 0))
    wrong('has a loss, which needs held-out text and evaluations: set --held-out and --evaluate-every');
  if (until?.tokens === undefined) return tokens;
  if (until.tokens <= tokens) wrong(`has ${until.tokens} tokens, but the stage before ends at ${tokens}`);
  if (until.tokens >= settings.tokens)
    wrong(`has ${until.tokens} tokens, but the run ends at ${settings.tokens}`);
  return until.tokens;
}

/** Runs `work` on stage `index`, and names the stage in its refusals. */
function inStage<T>(index: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const [why, remedy] = describeError(error.toData());
    throw createError('run/bad-stage', { stage: index + 1, why, remedy });
  }
}
