/** @file Lists a folder for a file picker: folders first, checkpoints marked. */
import { readdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { exists, readOrRefuse } from './files.ts';

export interface FolderEntry {
  readonly name: string;
  readonly path: string;
  readonly folder: boolean;
  /** 0 for a folder. */
  readonly bytes: number;
  /** True for a folder with a config.json. */
  readonly checkpoint: boolean;
}

export interface Folder {
  readonly path: string;
  /** Null for the root. */
  readonly parent: string | null;
  readonly entries: readonly FolderEntry[];
}

/**
 * Lists `dir`, or the user's home. Leaves out entries that cannot be read, such as broken links, and without `hidden`
 * those whose name begins with a dot. Refuses `file/not-found`, `file/not-a-folder`, `file/unreadable`.
 */
export async function listFolder(
  dir = homedir(),
  { hidden = false }: { readonly hidden?: boolean } = {},
): Promise<Folder> {
  const path = resolve(dir);
  const parent = dirname(path);
  const found = await readOrRefuse(path, () => stat(path));
  if (!found.isDirectory()) return refuse('file/not-a-folder', { path });
  const names = await readOrRefuse(path, () => readdir(path));
  const visible = hidden ? names : names.filter((name) => !name.startsWith('.'));
  const all = await Promise.all(visible.map((name) => readEntry(path, name)));
  const entries = all.filter((entry) => entry !== undefined);
  entries.sort(compareEntries);
  return { path, parent: parent === path ? null : parent, entries };
}

function compareEntries(a: FolderEntry, b: FolderEntry): number {
  return Number(b.folder) - Number(a.folder) || a.name.localeCompare(b.name, 'en', { numeric: true });
}

async function readEntry(parent: string, name: string): Promise<FolderEntry | undefined> {
  const path = join(parent, name);
  const found = await stat(path).catch(() => undefined);
  if (!found || !(found.isDirectory() || found.isFile())) return undefined;
  const isFolder = found.isDirectory();
  return {
    name,
    path,
    folder: isFolder,
    bytes: isFolder ? 0 : found.size,
    checkpoint: isFolder && (await exists(join(path, 'config.json'))),
  };
}
