/** @file The summary of a run: its settings, the totals of its events, and its state. */
import { basename, resolve } from 'node:path';
import type { ErrorData } from '../../base/errors.ts';
import type { RunSummary } from '../../train/run.ts';
import { stepsOf } from '../../train/schedule.ts';
import { toReadError } from '../fs/files.ts';
import { eventsFile } from './events.ts';
import { newestStep, readRun, stateOf, type SavedStep } from './folder.ts';
import { emptyTotals, totalsOf, type RunTotals } from './history.ts';
import { readNotes } from './notes.ts';
import { readStepRecord } from './step-record.ts';

/** The totals of the events, and what is wrong with the file. A run is its checkpoints: it works without events. */
async function readTotals(dir: string): Promise<RunTotals & { readonly damage?: ErrorData }> {
  try {
    const { badLines: lines = 0, ...totals } = await totalsOf(dir);
    if (lines === 0) return totals;
    return { ...totals, damage: { code: 'run/damaged-lines', detail: { run: basename(dir), lines } } };
  } catch (error) {
    return { ...emptyTotals(), damage: toReadError(eventsFile(dir), error).toData() };
  }
}

/** The starts of the stages in a checkpoint. One that cannot be read is reported when it is resumed. */
async function readStageStarts(saved: SavedStep | null): Promise<Pick<RunSummary, 'stageStarts'>> {
  const record = saved && (await readStepRecord(saved).catch(() => undefined));
  return record?.stages ? { stageStarts: record.stages } : {};
}

/** Summarizes the run in a folder as it is now. */
export async function summarizeRun(folder: string): Promise<RunSummary> {
  const dir = resolve(folder);
  const { name: originalName, created, checkpoint, data, settings, stages } = await readRun(dir);
  const { lastEvent, error, ...totals } = await readTotals(dir);
  const state = await stateOf(dir, lastEvent);
  const { name = originalName, tags, notes } = await readNotes(dir);
  const saved = await newestStep(dir);
  const savedStep = saved?.step ?? null;
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
    step: Math.max(totals.step, savedStep ?? 0),
    steps: totals.steps || stepsOf(settings),
    ...(error && state === 'failed' ? { error } : {}),
    savedStep,
    ...(stages ? { stages, ...(await readStageStarts(saved)) } : {}),
  };
}
