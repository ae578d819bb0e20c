/** @file notes.json of a run: the name, tags and notes that a person gave it. It moves with the run's folder. */
import { join } from 'node:path';
import { isObject, readJson, writeJson } from '../fs/files.ts';

export interface RunNotes {
  readonly name?: string;
  readonly tags: readonly string[];
  readonly notes: string;
}

const notesFile = (dir: string): string => join(dir, 'notes.json');

/** The notes of a run. A missing or unreadable file counts as empty, because nothing depends on it. */
export async function readNotes(dir: string): Promise<RunNotes> {
  const value = await readJson(notesFile(dir)).catch(() => null);
  if (!isObject(value)) return { tags: [], notes: '' };
  const { name, tags, notes } = value;
  return {
    ...(typeof name === 'string' && name !== '' ? { name } : {}),
    tags: Array.isArray(tags) ? tags.filter((tag): tag is string => typeof tag === 'string') : [],
    notes: typeof notes === 'string' ? notes : '',
  };
}

export const writeNotes = (dir: string, notes: RunNotes): Promise<void> => writeJson(notesFile(dir), notes);
