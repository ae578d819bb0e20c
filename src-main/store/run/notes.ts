/** @file notes.json of a run: the name, tags and notes that a person gave it. It moves with the run's folder. */
import { join } from 'node:path';
import { z } from 'zod';
import { readJsonIfOf } from '../fs/files.ts';
import { updateStored } from '../home/stored-list.ts';

export interface RunNotes {
  readonly name?: string;
  readonly tags: readonly string[];
  readonly notes: string;
}

/** A field that is damaged counts as missing, so that it does not take the others with it. */
const storedNotes = z.object({
  name: z.string().catch(''),
  tags: z.array(z.string().nullable().catch(null)).catch([]),
  notes: z.string().catch(''),
});

const notesFile = (dir: string): string => join(dir, 'notes.json');

/** The notes of a run. A missing or unreadable file counts as empty, because nothing depends on it. */
export const readNotes = async (dir: string): Promise<RunNotes> =>
  toNotes(await readJsonIfOf(notesFile(dir), storedNotes));

function toNotes(stored: z.infer<typeof storedNotes> | undefined): RunNotes {
  if (!stored) return { tags: [], notes: '' };
  const { name, tags, notes } = stored;
  return { ...(name === '' ? {} : { name }), tags: tags.filter((tag) => tag !== null), notes };
}

/** Replaces the given notes of a run, and keeps the others, also those that another process has just changed. */
export const changeNotes = (dir: string, change: Partial<RunNotes>): Promise<void> =>
  updateStored(notesFile(dir), storedNotes, (before) => ({ ...toNotes(before), ...change }));
