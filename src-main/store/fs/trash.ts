/**
 * @file Deletes folders so that it can be undone: a folder is moved to `.cambium-trash` in its parent, which
 * is one rename at any size. The name there begins with the time in milliseconds.
 */
import { mkdir, readdir, rename } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { exists, writeOrRefuse } from './files.ts';
import { removeFolder } from './folder.ts';

const trashName = '.cambium-trash';
const entryName = /^(\d+)-(.+)$/;

export interface TrashedFolder {
  readonly path: string;
  /** Where it was. */
  readonly original: string;
  /** When it was moved, in milliseconds since 1970. */
  readonly time: number;
}

/** The folder in a trash at this path; undefined if it is not in a trash. */
function parseTrashed(path: string): TrashedFolder | undefined {
  const match = entryName.exec(basename(path));
  if (!match || basename(dirname(path)) !== trashName) return undefined;
  return { path, original: join(dirname(dirname(path)), match[2]!), time: Number(match[1]) };
}

/** The folders in the trash of `parent`, newest first. */
export async function listTrash(parent: string): Promise<readonly TrashedFolder[]> {
  const trash = join(resolve(parent), trashName);
  const names = await readdir(trash).catch(() => []);
  return names.flatMap((name) => parseTrashed(join(trash, name)) ?? []).sort((a, b) => b.time - a.time);
}

/** Deletes a folder that is in a trash. Refuses `file/not-found` for any other. */
export async function deleteTrashed(trashed: string): Promise<void> {
  const path = resolve(trashed);
  if (!parseTrashed(path) || !(await exists(path))) refuse('file/not-found', { path });
  await removeFolder(path);
}

/** Moves a folder to the trash. Returns its path there, for `restoreFromTrash`. */
export async function moveToTrash(dir: string): Promise<string> {
  const from = resolve(dir);
  const trash = join(dirname(from), trashName);
  const to = join(trash, `${Date.now()}-${basename(from)}`);
  await writeOrRefuse(trash, () => mkdir(trash, { recursive: true }));
  await writeOrRefuse(from, () => rename(from, to));
  return to;
}

/**
 * Moves a folder back out of the trash. Returns its original path. Refuses `file/not-found` when it is not in
 * a trash, `file/exists` when its original path is taken.
 */
export async function restoreFromTrash(trashed: string): Promise<string> {
  const from = resolve(trashed);
  const to = parseTrashed(from)?.original;
  if (to === undefined || !(await exists(from))) return refuse('file/not-found', { path: from });
  if (await exists(to)) return refuse('file/exists', { path: to });
  await writeOrRefuse(to, () => rename(from, to));
  return to;
}
