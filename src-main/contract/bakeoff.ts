/** @file Bake-offs of growth methods: requests, progress, and what they return. */
import './no-eval.ts';
import { z } from 'zod';
import type { BakeoffReport } from '../bakeoff/report.ts';
import { bakeoffPlan, type BakeoffPlan } from '../bakeoff/state.ts';
import { trainingSettingsSchema } from '../train/settings.ts';
import { queuePlace, type WaitingEvent } from './queue.ts';
import {
  growthRequest,
  hasWeightForEach,
  nonNegativeInteger,
  path,
  reportFormat,
  textSource,
} from './schema.ts';

export type { BakeoffPlan, BakeoffReport };

/** What is compared, and on which text. Sizes are as in a growth request. */
export const bakeoffRequest = z
  .object({
    source: path,
    name: z.string().trim().min(1).max(200).optional(),
    to: z.record(z.string(), z.number().int().positive()),
    /** Ids of growth methods; default: all that grow width or depth. */
    methods: z.array(z.string()).max(64).optional(),
    /** Further candidates: recipes of the user's own. */
    recipes: z.array(z.array(growthRequest).min(1).max(64)).max(32).optional(),
    /** Seed of noise and new weights. */
    growthSeed: nonNegativeInteger,
    ...textSource,
    /** Of every probe. `tokens` is the length of the run that the winner becomes, `seed` the first seed. */
    settings: trainingSettingsSchema,
    probeTokens: nonNegativeInteger.min(1),
    seeds: nonNegativeInteger.min(1).max(32),
    rates: z.array(z.number().positive().max(10)).min(1).max(16),
  })
  .refine(...hasWeightForEach);
export type BakeoffRequest = z.infer<typeof bakeoffRequest>;

/**
 * Starts the plan that `planBakeoff` returned, in the new folder `out` (default: one in the home folder). With `queue`
 * it waits until its device is free.
 */
export const bakeoffJob = z.object({ plan: bakeoffPlan, out: path.optional(), queue: queuePlace.optional() });
export const bakeoffResume = z.object({ dir: path, queue: queuePlace.optional() });
export const bakeoffFolder = z.object({ dir: path });
export const bakeoffReportRequest = z.object({ dir: path, format: reportFormat });

/** `done` of `of` are tokens over all probes. */
export type BakeoffEvent =
  | WaitingEvent
  | { readonly type: 'growing'; readonly candidate: string; readonly done: number; readonly of: number }
  | {
      readonly type: 'training';
      readonly candidate: string;
      readonly lr: number;
      readonly seed: number;
      readonly loss: number | null;
      readonly done: number;
      readonly of: number;
    }
  | {
      readonly type: 'measured';
      readonly candidate: string;
      readonly lr: number;
      readonly seed: number;
      readonly tokens: number;
      /** Held-out loss; null if the probe diverged. */
      readonly loss: number | null;
    }
  | {
      readonly type: 'dropped';
      readonly candidate: string;
      readonly tokens: number;
      readonly why: 'worse' | 'diverged';
    }
  | { readonly type: 'done'; readonly dir: string };

/** A started bake-off: its job, and its folder. */
export interface StartedBakeoff {
  readonly job: string;
  readonly dir: string;
}

/** A bake-off in a list. */
export interface BakeoffSummary {
  readonly dir: string;
  readonly name: string;
  readonly source: string;
  readonly created: string;
  readonly state: 'running' | 'paused' | 'finished';
  /** The job that works on it, if this service does. */
  readonly job?: string;
}

export interface BakeoffView extends BakeoffSummary {
  readonly report: BakeoffReport;
}
