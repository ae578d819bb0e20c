/** @file What a person may change when a run is resumed. */
import { z } from 'zod';
import { launchSettings } from './launch.ts';
import { schemasOf } from './setting.ts';
import { settingTable } from './settings.ts';

const settings = schemasOf(settingTable);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/**
 * Settings that change how much memory a run needs. They do not change what it learns as long as an update still
 * covers the same sequences.
 */
export const memoryOverrides = z
  .object({
    microBatch: settings.microBatch,
    gradAccum: settings.gradAccum,
    contextLength: settings.contextLength,
    activationCheckpointing: settings.activationCheckpointing,
    precision: settings.precision,
  })
  .partial();

/**
 * `step` is the saved step to go back to: later checkpoints and events are deleted. `tokens` is the new total of the
 * run; `rewarmSteps` are the steps of a second warm-up. `launch` changes the engine or its processes; null: Cambium's
 * own engine.
 */
export const resumeChanges = z.object({
  step: count.optional(),
  tokens: count.min(1).optional(),
  rewarmSteps: count.optional(),
  /** The schedule of the added tokens; default: as before. */
  schedule: settings.schedule.optional(),
  memoryOverrides: memoryOverrides.optional(),
  earlyStoppingPatience: settings.earlyStoppingPatience.optional(),
  launch: launchSettings.nullable().optional(),
});
export type ResumeChanges = Readonly<z.infer<typeof resumeChanges>>;
