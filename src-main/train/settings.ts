/** @file The settings of a training run, derived from the table: type, defaults, options and schemas. */
import { z } from 'zod';
import type { Precision } from './precision.ts';
import { scheduleLabels, settingTable, type Schedule } from './setting-table.ts';
import { defaultsOf, optionsOf, schemasOf, type SettingsOf } from './setting.ts';

export type { DeviceChoice, DeviceKind } from '../base/device.ts';
export { settingTable, type Schedule } from './setting-table.ts';

/**
 * A part of the schedule after step `from`, planned to end at step `until`. `decay` falls straight to the
 * minimum. Without a warmup it begins at the learning rate that the part before it ends with. Steps have the
 * tokens of the run's settings; in a run with stages of other batches they may be fractions.
 */
export interface Phase {
  readonly from: number;
  readonly until: number;
  readonly schedule: Schedule | 'decay';
  readonly warmupSteps: number;
  /** The stage, from 0, whose start began this part with a warmup. */
  readonly stage?: number;
}

/** The settings in settings.json of a run. */
export interface TrainingSettings extends SettingsOf<typeof settingTable> {
  /** Changes to the schedule since the run began (an extension, a decay on request), oldest first. */
  readonly phases?: readonly Phase[];
}

export const trainingDefaults: TrainingSettings = defaultsOf(settingTable);

/** The settings that a person changes, in the order of the form. */
export const trainingOptions = optionsOf(settingTable);

const schemas = schemasOf(settingTable);

/** Every setting, as a request carries them. */
export const trainingSettingsSchema: z.ZodType<TrainingSettings> = z.object(schemas);

const phase: z.ZodType<Phase> = z.object({
  from: z.number().min(0),
  until: z.number().min(0),
  schedule: z.enum([...(Object.keys(scheduleLabels) as Schedule[]), 'decay']),
  warmupSteps: z.number().min(0),
  stage: z.number().int().min(1).exactOptional(),
});

/** The settings of a settings.json: what it lacks has its default. */
export const storedSettingsSchema: z.ZodType<TrainingSettings> = z
  .object({ ...schemas, phases: z.array(phase).optional() })
  .partial()
  .transform((given) => ({ ...trainingDefaults, ...given }) as TrainingSettings);

/** The precision of held-out losses. */
export const evaluationPrecisionOf = ({
  precision,
  evaluationPrecision,
}: Pick<TrainingSettings, 'precision' | 'evaluationPrecision'>): Precision =>
  evaluationPrecision === 'run' ? precision : evaluationPrecision;
