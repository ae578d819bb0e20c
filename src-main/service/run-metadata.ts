/**
 * @file What a person does to runs as things on a desk: names them, tags them, writes on them, throws them
 * away and takes them back.
 */
import { basename } from 'node:path';
import { refuse } from '../base/errors.ts';
import { liveStates } from '../contract/activity.ts';
import type { RunCard } from '../contract/schema.ts';
import { readNotes, writeNotes } from '../store/run/notes.ts';
import { isRun, runCard } from '../store/run/runs.ts';
import { restoreFolder, trashFolder } from '../store/fs/trash.ts';
import { absolute, type Place } from './dependencies.ts';
import { runFolder } from './runs.ts';

/** `name`, `tags` and `notes` as given; what is absent stays. */
export async function annotateRun(
  place: Place,
  {
    id,
    name,
    tags,
    notes,
  }: {
    readonly id: string;
    readonly name?: string | undefined;
    readonly tags?: readonly string[] | undefined;
    readonly notes?: string | undefined;
  },
): Promise<RunCard> {
  const dir = await runFolder(place, id);
  const before = await readNotes(dir);
  await writeNotes(dir, {
    ...before,
    ...(name === undefined ? {} : { name }),
    ...(tags === undefined ? {} : { tags: [...new Set(tags)] }),
    ...(notes === undefined ? {} : { notes }),
  });
  return runCard(dir);
}

/** Where the run's folder lies now. Refuses a run that somebody is at. */
export async function trashRun(place: Place, id: string): Promise<string> {
  const dir = await runFolder(place, id);
  return liveStates.includes((await runCard(dir)).state)
    ? refuse('run/already-running', { run: basename(dir) })
    : trashFolder(dir);
}

export async function restoreRun(place: Place, trashed: string): Promise<RunCard> {
  if (!(await isRun(absolute(trashed)))) refuse('run/not-found', { run: trashed });
  const dir = await restoreFolder(absolute(trashed));
  await place.home.rememberRun(dir);
  return runCard(dir);
}
