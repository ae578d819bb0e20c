/** @file Requests and events of tunings. */
import './no-eval.ts';
import { z } from 'zod';
import type { TuningEstimate } from '../cost/tuning.ts';
import { trainingSettingsSchema } from '../train/settings.ts';
import type { Trial, Tuning } from '../train/tuning/tuning.ts';
import { queuePlace, type WaitingEvent } from './queue.ts';
import type { RunEvent } from './schema.ts';
import { growthRecipe, hasWeightForEach, path, reportFormat, textSource } from './schema.ts';

export type { TuningEstimate };

/** Most trials at a width. */
export const maxTrials = 200;

/**
 * `trials` are at the source's width, `transferTrials` at that of `grow`. The tokens of `settings` are those of one
 * trial; its learning rate is where the search begins.
 */
export const tuneRequest = z
  .object({
    checkpoint: path,
    ...textSource,
    out: path.optional(),
    name: z.string().max(200).optional(),
    grow: growthRecipe.optional(),
    settings: trainingSettingsSchema,
    trials: z.number().int().min(0).max(maxTrials),
    transferTrials: z.number().int().min(0).max(maxTrials),
    coordinateCheck: z.boolean(),
    /** Waits until its device is free. */
    queue: queuePlace.optional(),
  })
  .refine(...hasWeightForEach)
  .refine(
    ({ trials, coordinateCheck }) => trials > 0 || coordinateCheck,
    'ask for trials or for a coordinate check',
  );
export type TuneRequest = z.infer<typeof tuneRequest>;

/** The folder of a tuning. */
export const tuningFolder = z.object({ dir: path });
export const tuningResume = z.object({ dir: path, queue: queuePlace.optional() });
export const tuningReportRequest = z.object({ dir: path, format: reportFormat });

/** A tuning and where it is. */
export interface StoredTuning {
  readonly dir: string;
  readonly tuning: Tuning;
}

/** A step of a trial: `trial` is its number, from 1, and `left` how many are to come at most, it included. */
interface TuneStep extends Pick<Trial, 'width' | 'tests' | 'values'> {
  readonly type: 'step';
  readonly trial: number;
  readonly left: number;
  readonly step: number;
  readonly of: number;
  readonly loss: number;
}

export type TuneEvent =
  | WaitingEvent
  | Extract<RunEvent, { type: 'preparing' }>
  | TuneStep
  /** All of tune.json, at the start and after each trial. */
  | ({ readonly type: 'tuning' } & StoredTuning)
  | ({ readonly type: 'done' } & StoredTuning);
