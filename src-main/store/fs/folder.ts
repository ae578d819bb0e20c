/**
 * @file Writes folders atomically: a folder is filled under a temporary name in the same parent, synced to
 * disk and then renamed, so an incomplete folder never has the final name.
 */
import { lstat, mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { threadId } from 'node:worker_threads';
import { AppError, refuse } from '../../base/errors.ts';
import { exists, isNotFound, writeOrRefuse } from './files.ts';
import { isProcessAlive } from './process.ts';

export interface FolderOptions {
  /** Bytes that will be written. Refuses `file/no-space` before the first write if the disk has fewer free. */
  readonly requiredBytes?: number;
  /** Replaces an existing folder at the end, instead of refusing it at the start. */
  readonly replace?: boolean;
  /** Overrides how free disk space is measured; for tests. */
  readonly getFreeBytes?: (folder: string) => Promise<number>;
}

/** A folder that is being written. Call exactly one of `commit` and `abort`. */
export interface PartialFolder {
  /** The temporary folder. */
  readonly path: string;
  /** Syncs the folder to disk and gives it its final name. */
  commit(): Promise<void>;
  /** Removes the folder. */
  abort(): Promise<void>;
}

const partialName = /^\.(.+)\.partial-(\d+)-[\d-]+$/;
let partialFolders = 0;

/** Free bytes for this user on the disk that holds `folder`. */
export async function getFreeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** The nearest existing folder: `path` itself, or the closest parent that exists. */
export const findExistingAncestor = async (path: string): Promise<string> =>
  (await exists(path)) || dirname(path) === path ? path : findExistingAncestor(dirname(path));

/** Unlike `exists`, true for a broken link, and throws when the parent cannot be read. */
const isTaken = async (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    (error: unknown) => {
      if (isNotFound(error)) return false;
      throw error;
    },
  );

/**
 * Creates `.<name>.partial-<pid>-<thread>-<n>` next to `target`, after removing what dead processes left of
 * the same target. Refuses `file/exists`, `file/no-space`, `file/unwritable`.
 */
export async function createPartialFolder(
  target: string,
  options: FolderOptions = {},
): Promise<PartialFolder> {
  const finalPath = resolve(target);
  const parent = dirname(finalPath);
  const name = basename(finalPath);
  const { requiredBytes = 0, replace = false, getFreeBytes: measureFree = getFreeBytes } = options;
  const create = async (): Promise<PartialFolder> => {
    if (!replace && (await isTaken(finalPath))) refuse('file/exists', { path: finalPath });
    await mkdir(parent, { recursive: true });
    await removeStalePartials(parent, name);
    const free = requiredBytes > 0 ? await measureFree(parent) : Infinity;
    if (free < requiredBytes) refuse('file/no-space', { path: finalPath, needed: requiredBytes, free });
    const path = join(parent, `.${name}.partial-${process.pid}-${threadId}-${partialFolders++}`);
    await mkdir(path);
    const abort = (): Promise<void> => rm(path, { recursive: true, force: true, maxRetries: 3 });
    const finish = async (): Promise<void> => {
      try {
        await syncTree(path);
        await moveIntoPlace(path, finalPath, replace);
      } catch (error) {
        await abort();
        throw error;
      }
    };
    return { path, commit: () => writeOrRefuse(finalPath, finish, requiredBytes), abort };
  };
  return writeOrRefuse(finalPath, create, requiredBytes);
}

async function moveIntoPlace(path: string, finalPath: string, replace: boolean): Promise<void> {
  const taken = await isTaken(finalPath);
  if (taken && !replace) refuse('file/exists', { path: finalPath });
  const old = taken ? `${path}-old` : undefined;
  if (old !== undefined) await rename(finalPath, old);
  await rename(path, finalPath);
  await syncFolder(dirname(finalPath));
  if (old !== undefined) await rm(old, { recursive: true, force: true });
}

/** Replaces the temporary path in the detail of an `AppError` by the final one. Other errors are kept. */
export function withFinalPath(error: unknown, temporary: string, target: string): unknown {
  if (!(error instanceof AppError)) return error;
  const { path } = error.detail as { readonly path?: unknown };
  if (typeof path !== 'string' || !path.startsWith(temporary)) return error;
  const finalPath = resolve(target) + path.slice(temporary.length);
  return new AppError(error.code, { ...(error.detail as object), path: finalPath });
}

/**
 * Runs `fill` on a temporary folder, then gives it the final name. Returns what `fill` returns. Removes the
 * folder when `fill` throws or `signal` aborts.
 */
export async function writeFolder<T>(
  target: string,
  fill: (temporary: string) => Promise<T>,
  options: FolderOptions & { readonly signal?: AbortSignal } = {},
): Promise<T> {
  const folder = await createPartialFolder(target, options);
  try {
    const result = await writeOrRefuse(target, () => fill(folder.path), options.requiredBytes);
    if (options.signal?.aborted) refuse('cancelled', { what: `writing ${target}` });
    await folder.commit();
    return result;
  } catch (error) {
    await folder.abort();
    throw withFinalPath(error, folder.path, target);
  }
}

/** Removes a folder that Cambium wrote, with its contents. */
export const removeFolder = (path: string): Promise<void> =>
  writeOrRefuse(path, () => rm(path, { recursive: true, force: true, maxRetries: 3 }));

/**
 * Removes unfinished folders of processes that are dead; with `name`, only those of that target. Returns the
 * removed paths.
 */
export async function removeStalePartials(parent: string, name?: string): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const entry of await readdir(parent)) {
    const found = partialName.exec(entry.replace(/-old$/, ''));
    if (!found || (name !== undefined && found[1] !== name) || isProcessAlive(Number(found[2]))) continue;
    await rm(join(parent, entry), { recursive: true, force: true });
    removed.push(join(parent, entry));
  }
  return removed;
}

/** Syncs every file and folder below `path` to disk. */
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

/** Windows cannot open a folder to sync it, and journals its renames. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
