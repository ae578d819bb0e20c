/**
 * @file Writes folders atomically: a folder is filled under a temporary name in the same parent, synced to
 * disk and then renamed, so an incomplete folder never has the final name. The temporary name says who fills it,
 * and its modification time is the heartbeat of that process.
 */
import { lstat, mkdir, open, readdir, rename, rm, rmdir, statfs, utimes } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { AppError, refuse } from '../../base/errors.ts';
import { exists, isNotFound, makeFolder, syncFolder, writeOrRefuse } from './files.ts';
import {
  createFolderName,
  removeReplacedFolder,
  removeStaleFolders,
  toReplacedName,
} from './stale-folders.ts';

export interface FolderOptions {
  /** Bytes that will be written. Refuses `file/no-space` before the first write if the disk has fewer free. */
  readonly requiredBytes?: number;
  /** Replaces an existing folder at the end, instead of refusing it at the start. */
  readonly replace?: boolean;
  /** Takes the place of an existing folder if that is empty. */
  readonly mayBeEmpty?: boolean;
  /** Only its owner can enter the folder. */
  readonly isPrivate?: boolean;
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

/** Milliseconds between two heartbeats of a process that fills a folder. */
const heartbeatInterval = 2000;

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

/** True for a folder without entries. */
const isEmptyFolder = (path: string): Promise<boolean> =>
  readdir(path).then(
    (entries) => entries.length === 0,
    () => false,
  );

/** True when something at `path` is in the way of a new folder. */
const isBlocked = async (path: string, mayBeEmpty: boolean): Promise<boolean> =>
  (await isTaken(path)) && !(mayBeEmpty && (await isEmptyFolder(path)));

/** Changes the modification time of a folder every few seconds. Returns a function that ends it. */
function startHeartbeat(path: string): () => void {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, heartbeatInterval);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}

/**
 * Creates `.<name>.partial-<owner>-<thread>-<n>` next to `target`, after removing what dead processes left of
 * the same target. Refuses `file/exists`, `file/no-space`, `file/unwritable`.
 */
export async function createPartialFolder(
  target: string,
  options: FolderOptions = {},
): Promise<PartialFolder> {
  const finalPath = resolve(target);
  const parent = dirname(finalPath);
  const name = basename(finalPath);
  const { requiredBytes = 0, replace = false, mayBeEmpty = false, isPrivate = false } = options;
  const refuseIfBlocked = async (): Promise<void> => {
    if (!replace && (await isBlocked(finalPath, mayBeEmpty))) refuse('file/exists', { path: finalPath });
  };
  const create = async (): Promise<PartialFolder> => {
    await refuseIfBlocked();
    await makeFolder(parent);
    await removeStaleFolders(parent, name);
    await refuseIfBlocked(); // the folder may have got its name back
    const free = requiredBytes > 0 ? await (options.getFreeBytes ?? getFreeBytes)(parent) : Infinity;
    if (free < requiredBytes) refuse('file/no-space', { path: finalPath, needed: requiredBytes, free });
    const path = join(parent, createFolderName(name));
    await mkdir(path, isPrivate ? 0o700 : 0o777);
    const stopHeartbeat = startHeartbeat(path);
    const abort = async (): Promise<void> => {
      stopHeartbeat();
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
    };
    const finish = async (): Promise<void> => {
      try {
        await syncTree(path);
        await moveIntoPlace(path, finalPath, { replace, mayBeEmpty });
        stopHeartbeat();
      } catch (error) {
        await abort();
        throw error;
      }
    };
    return { path, commit: () => writeOrRefuse(finalPath, finish, requiredBytes), abort };
  };
  return writeOrRefuse(finalPath, create, requiredBytes);
}

type Placement = Required<Pick<FolderOptions, 'replace' | 'mayBeEmpty'>>;

async function moveIntoPlace(
  path: string,
  finalPath: string,
  { replace, mayBeEmpty }: Placement,
): Promise<void> {
  if (!replace && (await isBlocked(finalPath, mayBeEmpty))) refuse('file/exists', { path: finalPath });
  const old = replace && (await isTaken(finalPath)) ? toReplacedName(path) : undefined;
  if (old !== undefined) await rename(finalPath, old);
  // Other systems replace an empty folder by a rename.
  if (mayBeEmpty && process.platform === 'win32') await rmdir(finalPath).catch(() => undefined);
  try {
    await rename(path, finalPath);
  } catch (error) {
    if (old !== undefined) await rename(old, finalPath);
    throw error;
  }
  await syncFolder(dirname(finalPath));
  if (old !== undefined) await removeReplacedFolder(old);
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

/**
 * Removes a folder that Cambium wrote, with its contents. It loses its name first: a folder of which only a part
 * is left never has it.
 */
export const removeFolder = (path: string): Promise<void> =>
  writeOrRefuse(path, async () => {
    const parent = dirname(resolve(path));
    const removed = join(parent, createFolderName(basename(resolve(path)), '-removed'));
    try {
      await rename(path, removed);
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    await syncFolder(parent);
    await rm(removed, { recursive: true, force: true, maxRetries: 3 });
  });

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
