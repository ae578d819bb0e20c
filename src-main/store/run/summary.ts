/** @file The summary of a run: its settings, the totals of its events, and its state. */
import { resolve } from 'node:path';
import type { RunSummary } from '../../train/run.ts';
import { stepsOf } from '../../train/schedule.ts';
import { newestStep, readRun, stateOf } from './folder.ts';
import { totalsOf } from './history.ts';
import { readNotes } from './notes.ts';

/** Summarizes the run in a folder as it is now. */
export async function summarizeRun(folder: string): Promise<RunSummary> {
  const dir = resolve(folder);
  const { name: originalName, created, checkpoint, data, settings } = await readRun(dir);
  const { lastEvent, error, ...totals } = await totalsOf(dir);
  const state = await stateOf(dir, lastEvent);
  const { name = originalName, tags, notes } = await readNotes(dir);
  const savedStep = (await newestStep(dir))?.step ?? null;
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
    ...totals,
    steps: totals.steps || stepsOf(settings),
    ...(error && state === 'failed' ? { error } : {}),
    savedStep,
  };
}
