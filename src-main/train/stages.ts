/**
 * @file The stages of a run that grows while it trains: what settings.json says about them, and a run in one of
 * them. A run without stages is one stage. docs/training.md describes the file of stages.
 */
import { z } from 'zod';
import type { OptionValues } from '../base/option.ts';
import { decayFrom, extend, isDecaying, learningRate, tokensPerStep, withRewarm } from './schedule.ts';
import { schemasOf } from './setting.ts';
import { settingTable, type Schedule, type TrainingSettings } from './settings.ts';

/** What may end a stage; the first that happens does. */
export interface StageEnd {
  /** Tokens since the start of the run. */
  readonly tokens?: number;
  /** Held-out loss, in nats per token. */
  readonly loss?: number;
  /** The stage ends when the loss falls by less, in nats per million tokens. */
  readonly plateau?: number;
  /** The stage ends when a person asks for the next growth, which is possible in every stage. */
  readonly byHand?: true;
}

export const stageEndReasons = ['tokens', 'loss', 'plateau', 'by hand'] as const;
export type StageEndReason = (typeof stageEndReasons)[number];

/** A growth with all of its sizes. It has the form of a `GrowthRequest`. */
export interface StageGrowth {
  readonly method: string;
  readonly to: Readonly<Record<string, number>>;
  readonly options: OptionValues;
  readonly seed: number;
  readonly dtype: 'keep' | 'float32';
}

/** Settings that a stage may change. */
export const stageSettingIds = [
  'microBatch',
  'gradAccum',
  'contextLength',
  'lr',
  'activationCheckpointing',
  'distillWeight',
  'trainable',
] as const;
export type StageSettings = Partial<Pick<TrainingSettings, (typeof stageSettingIds)[number]>>;

/** A stage in settings.json: it grows, then trains until its end. The last stage ends with the run. */
export interface RunStage extends StageSettings {
  /** Absent in the first stage alone. */
  readonly grow?: readonly StageGrowth[];
  /** Absent in the last stage alone. */
  readonly until?: StageEnd;
  /** Steps of the stage over which the learning rate rises to its peak again; 0 continues the schedule. */
  readonly rewarmSteps?: number;
}

/** The part of settings.json that this file reads. */
export interface StagedRun {
  readonly settings: TrainingSettings;
  readonly stages?: readonly RunStage[];
}

const schemas = schemasOf(settingTable);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** The settings that a stage may change, each optional. */
export const stageSettingSchemas = z
  .object({
    microBatch: schemas.microBatch,
    gradAccum: schemas.gradAccum,
    contextLength: schemas.contextLength,
    lr: schemas.lr,
    activationCheckpointing: schemas.activationCheckpointing,
    distillWeight: schemas.distillWeight,
    trainable: schemas.trainable,
  })
  .partial().shape;

export const stageEnd = z
  .strictObject({
    tokens: count.optional(),
    loss: z.number().positive().optional(),
    plateau: z.number().positive().optional(),
    byHand: z.literal(true).optional(),
  })
  .refine((end) => Object.values(end).some((value) => value !== undefined), {
    message: 'names no end: give tokens, loss, plateau or byHand',
  });

const growth = z.object({
  method: z.string(),
  to: z.record(z.string(), z.number().int().positive()),
  options: z.record(z.string(), z.union([z.number(), z.string(), z.null()])),
  seed: count,
  dtype: z.enum(['keep', 'float32']),
});

/** The stages of a settings.json. */
export const storedStages: z.ZodType<readonly RunStage[]> = z
  .array(
    z.object({
      ...stageSettingSchemas,
      grow: z.array(growth).min(1).max(64).optional(),
      until: stageEnd.optional(),
      rewarmSteps: schemas.rewarmSteps.optional(),
    }),
  )
  .min(1)
  // Fields that are absent are not there at all in JSON.
  .transform((stages) => stages as readonly RunStage[]);

/** Where a stage began: in the run, and in its text. */
export interface StageStart {
  readonly step: number;
  /** Tokens since the start of the run. */
  readonly tokens: number;
  /** FLOPs since the start of the run. */
  readonly flops: number;
  /** FLOPs of one token in this stage. */
  readonly flopsPerToken: number;
  /** Updates' worth of batches read, and the sequences drawn by them in this order of the text. */
  readonly cursor: number;
  readonly draws: number;
  /** Number of the order of the text: a stage with another context length begins the next. */
  readonly order: number;
}

export const stageStart: z.ZodType<StageStart> = z.object({
  step: count,
  tokens: count,
  flops: z.number().min(0),
  flopsPerToken: z.number().min(0),
  cursor: count,
  draws: count,
  order: count,
});

/** The start of the first stage. */
export const runStart = (flopsPerToken: number): StageStart => ({
  step: 0,
  tokens: 0,
  flops: 0,
  flopsPerToken,
  cursor: 0,
  draws: 0,
  order: 0,
});

/** A run in one of its stages. */
export interface TrainingStage {
  /** From 0. */
  readonly index: number;
  /** Stages of the run. */
  readonly count: number;
  /** The starts of all stages so far, this one included. */
  readonly starts: readonly StageStart[];
  readonly start: StageStart;
  /** Settings of the run. Its schedule counts in steps of these settings. */
  readonly run: TrainingSettings;
  /** Settings of this stage. Only the first can begin with random weights. */
  readonly settings: TrainingSettings;
  /** First steps of the stage in which the learning rate rises. */
  readonly warmupSteps: number;
  /** What ends the stage; undefined if nothing does before the run ends. */
  readonly until: StageEnd | undefined;
  /** The stage after this one. */
  readonly next: RunStage | undefined;
}

/** The settings of a run with those that a stage changes. */
export const settingsInStage = (
  settings: TrainingSettings,
  stage: RunStage | undefined,
): TrainingSettings => {
  const own = stageSettingIds.flatMap((id) => (stage?.[id] === undefined ? [] : [[id, stage[id]] as const]));
  return { ...settings, ...Object.fromEntries(own) };
};

/** The stage of a run whose stages began at `starts`; without any, its first stage. */
export function stageOf(
  { settings, stages = [] }: StagedRun,
  starts: readonly StageStart[] = [],
): TrainingStage {
  const begun = starts.length > 0 ? starts : [runStart(0)];
  const index = begun.length - 1;
  const run = begun.reduce((before, { tokens }, i) => rewarm(before, stages[i], i, tokens), settings);
  const next = stages[index + 1];
  return {
    index,
    count: Math.max(1, stages.length),
    starts: begun,
    start: begun[index]!,
    run,
    settings: {
      ...settingsInStage(run, stages[index]),
      ...(index > 0 ? ({ init: 'checkpoint' } as const) : {}),
    },
    warmupSteps: index === 0 ? settings.warmupSteps : (stages[index]?.rewarmSteps ?? 0),
    until: next && !isDecaying(run) ? stages[index]?.until : undefined,
    next: isDecaying(run) ? undefined : next,
  };
}

/** The settings of the run with the re-warmup of stage `index`, which began at `tokens`. */
function rewarm(
  settings: TrainingSettings,
  stage: RunStage | undefined,
  index: number,
  tokens: number,
): TrainingSettings {
  const steps = stage?.rewarmSteps ?? 0;
  if (index === 0 || steps === 0) return settings;
  const perStep = tokensPerStep(settings);
  const length = (steps * tokensPerStep(settingsInStage(settings, stage))) / perStep;
  return withRewarm(settings, { stage: index, from: tokens / perStep, warmupSteps: length });
}

/** The stage with other settings of its run. */
export const withRunSettings = (
  stage: TrainingStage,
  { stages }: Pick<StagedRun, 'stages'>,
  settings: TrainingSettings,
): TrainingStage => stageOf({ settings, ...(stages ? { stages } : {}) }, stage.starts);

/** Tokens since the start of the run after `step`. */
export const tokensAt = ({ start, settings }: TrainingStage, step: number): number =>
  start.tokens + (step - start.step) * tokensPerStep(settings);

/** FLOPs since the start of the run after `step`. */
export const flopsAt = (stage: TrainingStage, step: number): number =>
  stage.start.flops + (tokensAt(stage, step) - stage.start.tokens) * stage.start.flopsPerToken;

/** `step` in steps of the settings of the run, in which its schedule counts. */
export const scheduleStepAt = (stage: TrainingStage, step: number): number =>
  tokensAt(stage, step) / tokensPerStep(stage.run);

/** The last step of the run if it ends in this stage. */
export function lastStepOf({ start, run, settings, index }: TrainingStage): number {
  const left = run.tokens - start.tokens;
  const fewest = index === 0 || left > 0 ? 1 : 0;
  return start.step + Math.max(fewest, Math.ceil(left / tokensPerStep(settings)));
}

export const learningRateAt = (stage: TrainingStage, step: number): number =>
  learningRate({ ...stage.run, lr: stage.settings.lr }, scheduleStepAt(stage, step));

/** The settings of a run that decays from after `step` over `steps` steps of its stage, and then ends. */
export const decayInStage = (stage: TrainingStage, step: number, steps?: number): TrainingSettings =>
  decayFrom(
    stage.run,
    scheduleStepAt(stage, step),
    steps === undefined ? undefined : (steps * tokensPerStep(stage.settings)) / tokensPerStep(stage.run),
  );

/** The settings of a run that continues from `step` to `tokens`; as `extend`, in steps of the stage. */
export const extendInStage = (
  stage: TrainingStage,
  step: number,
  tokens: number,
  rewarmSteps: number,
  schedule?: Schedule,
): TrainingSettings =>
  extend(
    stage.run,
    scheduleStepAt(stage, step),
    tokens,
    (rewarmSteps * tokensPerStep(stage.settings)) / tokensPerStep(stage.run),
    schedule,
  );

/** Sequences that were drawn from the text before update number `cursor`. */
export const drawsAt = ({ start, settings }: TrainingStage, cursor: number): number =>
  start.draws + (cursor - start.cursor) * settings.microBatch * settings.gradAccum;

/** Where the stage after `stage` begins, which ended after `step`, with the batches before `cursor`. */
export function nextStart(
  stage: TrainingStage,
  step: number,
  { cursor, flopsPerToken }: Pick<StageStart, 'cursor' | 'flopsPerToken'>,
): StageStart {
  const { contextLength } = settingsInStage(stage.run, stage.next);
  const isSameOrder = contextLength === stage.settings.contextLength;
  return {
    step,
    tokens: tokensAt(stage, step),
    flops: flopsAt(stage, step),
    flopsPerToken,
    cursor,
    draws: isSameOrder ? drawsAt(stage, cursor) : 0,
    order: stage.start.order + (isSameOrder ? 0 : 1),
  };
}

/** The longest context of all stages. The text is split by it, so that no stage trains on held-out text. */
export const longestContext = ({ settings, stages = [] }: StagedRun): number =>
  Math.max(settings.contextLength, ...stages.map((stage) => settingsInStage(settings, stage).contextLength));
