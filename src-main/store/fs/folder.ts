/**
 * @file Folders that appear whole or not at all: written beside their place, brought to the disk, renamed;
 * nothing half-written ever bears the final name.
 */
import { lstat, mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { threadId } from 'node:worker_threads';
import { AppError, refuse } from '../../base/errors.ts';
import { exists, isAbsent, isAlive, writing } from './files.ts';

export interface FolderOptions {
  /** Bytes that will be written: refused before the first one when the disk has fewer free. */
  readonly needed?: number;
  /** An existing folder of that name is exchanged at the end instead of being refused at the start. */
  readonly replace?: boolean;
  /** Free bytes of the disk that holds a folder; the system's own answer when absent. */
  readonly free?: (folder: string) => Promise<number>;
}

/** A folder being written at `path`; exactly one of `commit` and `abort` ends it. */
export interface PartialFolder {
  readonly path: string;
  commit(): Promise<void>;
  abort(): Promise<void>;
}

const partial = /^\.(.+)\.partial-(\d+)-[\d-]+$/;
let begun = 0;

/** Free bytes for this user on the disk that holds `folder`. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** The nearest folder that stands: `path`, or what it will be made in. */
export const standing = async (path: string): Promise<string> =>
  (await exists(path)) || dirname(path) === path ? path : standing(dirname(path));

const isThere = async (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    (error: unknown) => {
      if (isAbsent(error)) return false;
      throw error;
    },
  );

/**
 * Begins `.<name>.partial-<pid>-<thread>-<n>` beside `target`; leftovers of dead processes for the same
 * target are removed first.
 */
export async function beginFolder(target: string, options: FolderOptions = {}): Promise<PartialFolder> {
  const place = resolve(target);
  const parent = dirname(place);
  const name = basename(place);
  const { needed = 0, replace = false, free = freeBytes } = options;
  return writing(
    place,
    async () => {
      if (!replace && (await isThere(place))) refuse('file/exists', { path: place });
      await mkdir(parent, { recursive: true });
      await sweepPartials(parent, name);
      const left = needed > 0 ? await free(parent) : Infinity;
      if (left < needed) refuse('file/no-space', { path: place, needed, free: left });
      const path = join(parent, `.${name}.partial-${process.pid}-${threadId}-${begun++}`);
      await mkdir(path);
      const abort = (): Promise<void> => rm(path, { recursive: true, force: true, maxRetries: 3 });
      const commit = (): Promise<void> =>
        writing(
          place,
          async () => {
            try {
              await syncTree(path);
              if (!replace && (await isThere(place))) refuse('file/exists', { path: place });
              const old = replace && (await isThere(place)) ? `${path}-old` : undefined;
              if (old !== undefined) await rename(place, old);
              await rename(path, place);
              await syncFolder(parent);
              if (old !== undefined) await rm(old, { recursive: true, force: true });
            } catch (error) {
              await abort();
              throw error;
            }
          },
          needed,
        );
      return { path, commit, abort };
    },
    needed,
  );
}

/** An error about a file of the unfinished folder, told with the name the person gave. */
export function underFinalName(error: unknown, temporary: string, target: string): unknown {
  const detail = error instanceof AppError ? (error.detail as { readonly path?: unknown }) : undefined;
  if (!(error instanceof AppError) || typeof detail?.path !== 'string' || !detail.path.startsWith(temporary))
    return error;
  return new AppError(error.code, { ...detail, path: resolve(target) + detail.path.slice(temporary.length) });
}

/**
 * Runs `fill` on a folder beside `target` and gives it the final name when `fill` is done; on failure or
 * abort nothing is left.
 */
export async function writeFolder<T>(
  target: string,
  fill: (temporary: string) => Promise<T>,
  options: FolderOptions & { readonly signal?: AbortSignal } = {},
): Promise<T> {
  const folder = await beginFolder(target, options);
  try {
    const result = await writing(target, () => fill(folder.path), options.needed);
    if (options.signal?.aborted) refuse('cancelled', { what: `writing ${target}` });
    await folder.commit();
    return result;
  } catch (error) {
    await folder.abort();
    throw underFinalName(error, folder.path, target);
  }
}

/** Removes a folder that Cambium wrote itself and found wanting. */
export const removeFolder = (path: string): Promise<void> =>
  writing(path, () => rm(path, { recursive: true, force: true, maxRetries: 3 }));

/**
 * Removes unfinished folders (of `name` alone when given) whose process is dead; answers with their paths.
 */
export async function sweepPartials(parent: string, name?: string): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const entry of await readdir(parent)) {
    const found = partial.exec(entry.replace(/-old$/, ''));
    if (!found || (name !== undefined && found[1] !== name) || isAlive(Number(found[2]))) continue;
    await rm(join(parent, entry), { recursive: true, force: true });
    removed.push(join(parent, entry));
  }
  return removed;
}

/** Brings every file and folder below `path` to the disk. */
async function syncTree(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) {
      await syncTree(inner);
      continue;
    }
    const file = await open(inner, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
  await syncFolder(path);
}

/** Windows cannot open a folder to sync it; its renames are journalled. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
