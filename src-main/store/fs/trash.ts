/**
 * @file Deletes folders so that it can be undone: a folder is moved to `.cambium-trash` in its parent, which
 * is one rename at any size.
 */
import { mkdir, rename } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { exists, writeOrRefuse } from './files.ts';

const trashName = '.cambium-trash';

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
  const name = /^\d+-(.+)$/.exec(basename(from))?.[1];
  if (name === undefined || basename(dirname(from)) !== trashName || !(await exists(from)))
    return refuse('file/not-found', { path: from });
  const to = join(dirname(dirname(from)), name);
  if (await exists(to)) return refuse('file/exists', { path: to });
  await writeOrRefuse(to, () => rename(from, to));
  return to;
}
