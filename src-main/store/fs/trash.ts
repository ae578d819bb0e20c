/**
 * @file Deleting that can be taken back: a folder goes into `.cambium-trash` beside it, which is one rename
 * whatever its size, and comes back the same way.
 */
import { mkdir, rename } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { exists, writing } from './files.ts';

const folderName = '.cambium-trash';

/** Where the folder lies now; `restoreFolder` brings it back from there. */
export async function trashFolder(dir: string): Promise<string> {
  const from = resolve(dir);
  const trash = join(dirname(from), folderName);
  const to = join(trash, `${Date.now()}-${basename(from)}`);
  await writing(trash, () => mkdir(trash, { recursive: true }));
  await writing(from, () => rename(from, to));
  return to;
}

/**
 * Brings a folder back to where it was; its path. Refuses one that is in no such trash, or whose place is
 * taken.
 */
export async function restoreFolder(trashed: string): Promise<string> {
  const from = resolve(trashed);
  const name = /^\d+-(.+)$/.exec(basename(from))?.[1];
  if (name === undefined || basename(dirname(from)) !== folderName || !(await exists(from)))
    return refuse('file/not-found', { path: from });
  const to = join(dirname(dirname(from)), name);
  if (await exists(to)) return refuse('file/exists', { path: to });
  await writing(to, () => rename(from, to));
  return to;
}
