/**
 * @file What Cambium leaves in the folders that it makes, so that a model's origin can be told: growth.json
 * and training.json.
 */
import type { Certificate } from './summary.ts';

export const growthRecordFile = 'growth.json';
export const trainingRecordFile = 'training.json';

/**
 * growth.json of a folder that Cambium grew. `plan` is a `SavedPlan`, or a `GrowthPlan` of one stage; the
 * files below the growth layer only carry it.
 */
export interface GrowthRecord {
  readonly version: 1;
  /** The source's folder. */
  readonly source: string;
  /** Ids of the methods, in order: "hypercloning + identity". */
  readonly method: string;
  readonly plan: unknown;
  /** The plans of the growths that the source came from, oldest first. */
  readonly before?: readonly unknown[];
  /** The optimizer's moments that went along from a step of a run, and how many updates they have seen. */
  readonly moments?: { readonly parts: readonly string[]; readonly updates: number };
  readonly certificate: Certificate | null;
  /** The version of Cambium that grew it. */
  readonly cambium: string;
}

/** training.json of an exported folder: the run it was written from. */
export interface TrainingRecord {
  readonly version: 1;
  /** The run's folder. */
  readonly run: string;
  /** The folder of the checkpoint that the run began with. */
  readonly checkpoint: string;
  readonly step: number;
  readonly tokens: number;
  readonly weights: string;
  /** The version of Cambium that wrote it. */
  readonly cambium: string;
}

/** The fields of each record that are paths of one computer: what is published has names in their place. */
export const localPathFields: Readonly<Record<string, readonly string[]>> = {
  [growthRecordFile]: ['source'],
  [trainingRecordFile]: ['run', 'checkpoint'],
};

/** A record as its file's text. */
export const formatRecord = (
  record: GrowthRecord | TrainingRecord | Readonly<Record<string, unknown>>,
): string => `${JSON.stringify(record, null, 1)}\n`;
