/** @file The files that record where a checkpoint came from: growth.json and training.json. */
import { z } from 'zod';
import { anyJson } from '../base/json.ts';
import type { Certificate } from './certificate.ts';

export const growthRecordFile = 'growth.json';
export const trainingRecordFile = 'training.json';

/** growth.json in the folder of a grown checkpoint. */
export interface GrowthRecord {
  readonly version: 1;
  /** The source's folder. */
  readonly source: string;
  /** Ids of the methods, in order: "hypercloning + identity". */
  readonly method: string;
  /** A `SavedPlan`, or a `GrowthPlan` with one stage. The model layer does not read it. */
  readonly plan: unknown;
  /** The plans of earlier growths that led to the source, oldest first. */
  readonly before?: readonly unknown[];
  /** The optimizer moments that were grown too, and the number of updates behind them. */
  readonly moments?: { readonly parts: readonly string[]; readonly updates: number };
  /** Read by `readCertificate`, which translates earlier versions. */
  readonly certificate: Certificate | null;
  /** What was changed or lost when the files were written: sentences without a full stop. */
  readonly notes?: readonly string[];
  /** The version of Cambium that grew it. */
  readonly cambium: string;
}

/** training.json in the folder of a checkpoint exported from a run. */
export interface TrainingRecord {
  readonly version: 1;
  /** The run's folder. */
  readonly run: string;
  /** The folder of the checkpoint that the run started from. */
  readonly checkpoint: string;
  readonly step: number;
  readonly tokens: number;
  /** The run started from random weights: of the checkpoint it has only the architecture and the tokenizer. */
  readonly init?: 'random';
  readonly weights: string;
  /** The version of Cambium that exported it. */
  readonly cambium: string;
}

/** What the lineage needs of growth.json, of any version. */
export const grownOrigin = z.looseObject({
  source: z.string(),
  method: anyJson.optional(),
  certificate: anyJson.optional(),
});
export type GrownOrigin = z.infer<typeof grownOrigin>;

/** What the lineage needs of training.json. */
export const trainedOrigin = z.looseObject({
  run: z.string(),
  step: anyJson.optional(),
  init: anyJson.optional(),
});

/** The fields of each record that are local paths. Publishing replaces them with names. */
export const localPathFields: Readonly<Record<string, readonly string[]>> = {
  [growthRecordFile]: ['source'],
  [trainingRecordFile]: ['run', 'checkpoint'],
};

/** The text of a record's file. */
export const formatRecord = (
  record: GrowthRecord | TrainingRecord | Readonly<Record<string, unknown>>,
): string => `${JSON.stringify(record, null, 1)}\n`;
