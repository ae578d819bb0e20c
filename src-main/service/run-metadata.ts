/** @file Names, tags and notes of runs, and the trash. */
import { basename } from 'node:path';
import { refuse } from '../base/errors.ts';
import { activeStates } from '../contract/activity.ts';
import type { RunSummary, TrashedRun } from '../contract/schema.ts';
import type { Home } from '../store/home/home.ts';
import { changeNotes } from '../store/run/notes.ts';
import { isRun, summarizeRun } from '../store/run/runs.ts';
import { deleteTrashed, listTrash, moveToTrash, restoreFromTrash } from '../store/fs/trash.ts';
import { toAbsolutePath } from './dependencies.ts';
import { findRunFolder } from './runs.ts';

export interface Annotation {
  /** The folder of the run, or its name. */
  readonly id: string;
  readonly name?: string | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly notes?: string | undefined;
}

/** Replaces the name, the tags and the notes that are given. */
export async function annotateRun(home: Home, { id, name, tags, notes }: Annotation): Promise<RunSummary> {
  const dir = await findRunFolder(home, id);
  await changeNotes(dir, {
    ...(name === undefined ? {} : { name }),
    ...(tags === undefined ? {} : { tags: [...new Set(tags)] }),
    ...(notes === undefined ? {} : { notes }),
  });
  return summarizeRun(dir);
}

/** Moves a run to the trash and returns its new folder. Throws `run/already-running` while it has an engine. */
export async function trashRun(home: Home, id: string): Promise<string> {
  const dir = await findRunFolder(home, id);
  const { state } = await summarizeRun(dir);
  if (activeStates.includes(state)) refuse('run/already-running', { run: basename(dir) });
  return moveToTrash(dir);
}

/** The runs in the trash, newest first. */
export async function listTrashedRuns(home: Home): Promise<readonly TrashedRun[]> {
  const found = (await Promise.all((await home.listRunParents()).map(listTrash))).flat();
  const runs = await Promise.all(
    found.map(async ({ path, original, time }): Promise<TrashedRun[]> => {
      if (!(await isRun(path))) return [];
      const { name, checkpoint, step, steps, loss } = await summarizeRun(path);
      const moved = new Date(time).toISOString();
      return [{ trashed: path, original, moved, name, checkpoint, step, steps, loss }];
    }),
  );
  return runs.flat().sort((a, b) => b.moved.localeCompare(a.moved));
}

const millisecondsPerDay = 86_400_000;

/** Deletes the runs that were moved to the trash more than `days` days ago, and returns how many. */
export async function emptyTrash(home: Home, days: number, now = Date.now()): Promise<number> {
  const old = (await listTrashedRuns(home)).filter(
    ({ moved }) => Date.parse(moved) <= now - days * millisecondsPerDay,
  );
  for (const { trashed } of old) await deleteTrashed(trashed);
  return old.length;
}

export async function restoreRun(home: Home, trashed: string): Promise<RunSummary> {
  const path = toAbsolutePath(trashed);
  if (!(await isRun(path))) refuse('run/not-found', { run: trashed });
  const dir = await restoreFromTrash(path);
  await home.rememberRun(dir);
  return summarizeRun(dir);
}
