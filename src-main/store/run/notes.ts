/**
 * @file What a person says of a run: another name, tags, notes. Beside the run, so that it goes where the run
 * goes.
 */
import { join } from 'node:path';
import { isObject, readJson, writeJson } from '../fs/files.ts';

export interface RunNotes {
  readonly name?: string;
  readonly tags: readonly string[];
  readonly notes: string;
}

const notesFile = (dir: string): string => join(dir, 'notes.json');

/** What was said; nothing where there is no such file, or none that can be read: it decides nothing. */
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
