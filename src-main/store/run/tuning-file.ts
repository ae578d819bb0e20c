/** @file tune.json in the folder of a tuning: replaced as a whole after every trial, so that a kill loses one trial. */
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { tuningFile, tuningSchema, type Tuning } from '../../train/tuning/tuning.ts';
import { exists, readJsonObject, writeJson } from '../fs/files.ts';

const pathOf = (dir: string): string => join(dir, tuningFile);

export const isTuning = (dir: string): Promise<boolean> => exists(pathOf(dir));

/** Reads tune.json. Throws `tune/not-found` and `tune/damaged`. */
export async function readTuning(dir: string): Promise<Tuning> {
  if (!(await isTuning(dir))) return refuse('tune/not-found', { path: dir });
  const parsed = tuningSchema.safeParse(await readJsonObject(pathOf(dir)));
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  return refuse('tune/damaged', { path: pathOf(dir), why: `${path.join('.')}: ${message}` });
}

export const writeTuning = (dir: string, tuning: Tuning): Promise<void> => writeJson(pathOf(dir), tuning);
