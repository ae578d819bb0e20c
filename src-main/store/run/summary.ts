/** @file A run at a glance: what it was asked, what its events say, whether anybody is at it. */
import { resolve } from 'node:path';
import type { RunCard } from '../../train/run.ts';
import { stepsOf } from '../../train/schedule.ts';
import { newestStep, readRun, stateOf } from './folder.ts';
import { foldOf } from './history.ts';
import { readNotes } from './notes.ts';

/** The run in `dir` as it is now. */
export async function runCard(folder: string): Promise<RunCard> {
  const dir = resolve(folder);
  const { name: own, created, checkpoint, data, settings } = await readRun(dir);
  const { newest, error, ...fold } = await foldOf(dir);
  const state = await stateOf(dir, newest);
  const { name = own, tags, notes } = await readNotes(dir);
  return {
    id: dir,
    dir,
    name,
    checkpoint,
    data,
    settings,
    state,
    created,
    tags,
    notes,
    ...fold,
    steps: fold.steps || stepsOf(settings),
    ...(error && state === 'failed' ? { error } : {}),
    savedStep: (await newestStep(dir))?.step ?? null,
  };
}
