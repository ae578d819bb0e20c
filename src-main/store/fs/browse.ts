/**
 * @file A folder's contents for a picker: folders first, those that hold a checkpoint marked, hidden files
 * left out.
 */
import { readdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { exists, reading } from './files.ts';

export interface FolderEntry {
  readonly name: string;
  readonly path: string;
  readonly folder: boolean;
  readonly bytes: number;
  readonly checkpoint: boolean;
}
export interface Folder {
  readonly path: string;
  readonly parent: string | null;
  readonly entries: readonly FolderEntry[];
}

/** The folder at `dir`, or the user's home. What cannot be looked at is left out. */
export async function browse(dir = homedir()): Promise<Folder> {
  const path = resolve(dir);
  const above = dirname(path);
  if (!(await reading(path, () => stat(path))).isDirectory()) return refuse('file/not-a-folder', { path });
  const names = (await reading(path, () => readdir(path))).filter((name) => !name.startsWith('.'));
  const entries = (await Promise.all(names.map((name) => entryOf(path, name)))).filter(
    (entry) => entry !== undefined,
  );
  entries.sort(
    (a, b) => Number(b.folder) - Number(a.folder) || a.name.localeCompare(b.name, 'en', { numeric: true }),
  );
  return { path, parent: above === path ? null : above, entries };
}

async function entryOf(parent: string, name: string): Promise<FolderEntry | undefined> {
  const path = join(parent, name);
  const found = await stat(path).catch(() => undefined);
  if (!found || !(found.isDirectory() || found.isFile())) return undefined;
  const folder = found.isDirectory();
  return {
    name,
    path,
    folder,
    bytes: folder ? 0 : found.size,
    checkpoint: folder && (await exists(join(path, 'config.json'))),
  };
}
