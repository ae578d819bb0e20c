/**
 * @file Reads and writes small files: JSON with readable errors, atomic replacement of a file, and system
 * errors converted to `AppError`.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, statSync, type Stats } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { threadId } from 'node:worker_threads';
import type { z } from 'zod';
import { AppError, createError, refuse } from '../../base/errors.ts';
import { anyJson, jsonObject, parseJson, type Json, type JsonObject } from '../../base/json.ts';
export { isObject } from '../../base/json.ts';
import { createOwnerPattern, formatOwner, judgeProcess, markOwnProcess, parseOwner } from './process.ts';

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EROFS: 'the disk is read-only',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is not a folder',
  EMFILE: 'too many files are open',
  EIO: 'the disk reports an error',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'it has too many symbolic links',
};

const getCode = (thrown: unknown): string => (thrown as NodeJS.ErrnoException | null)?.code ?? '';

function describeReason(thrown: unknown): string {
  return reasons[getCode(thrown)] ?? (thrown instanceof Error ? thrown.message : String(thrown));
}

/** True when `thrown` says that a file does not exist. */
export const isNotFound = (thrown: unknown): boolean => getCode(thrown) === 'ENOENT';

/** Converts a failed read of `path` to `file/not-found` or `file/unreadable`. An `AppError` is kept. */
export function toReadError(path: string, thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  return isNotFound(thrown)
    ? createError('file/not-found', { path })
    : createError('file/unreadable', { path, why: describeReason(thrown) });
}

/**
 * Converts a failed write of `path` to `file/no-space`, `file/exists` or `file/unwritable`. An `AppError`, and
 * anything that is not a system error, is kept. `needed` is the bytes to write, 0 when unknown.
 */
export function toWriteError(path: string, thrown: unknown, needed = 0): unknown {
  const code = getCode(thrown);
  if (thrown instanceof AppError || code === '') return thrown;
  if (code === 'ENOSPC' || code === 'EDQUOT') return createError('file/no-space', { path, needed, free: 0 });
  if (code === 'EEXIST' || code === 'ENOTEMPTY') return createError('file/exists', { path });
  return createError('file/unwritable', { path, why: describeReason(thrown) });
}

/** Runs `work`, and throws whatever it throws as a failure to read `path`. */
export const readOrRefuse = async <T>(path: string, work: () => Promise<T>): Promise<T> =>
  work().catch((thrown: unknown) => {
    throw toReadError(path, thrown);
  });

/** Runs `work`, and throws a system error as a failure to write `path`. */
export const writeOrRefuse = async <T>(path: string, work: () => Promise<T>, needed = 0): Promise<T> =>
  work().catch((thrown: unknown) => {
    throw toWriteError(path, thrown, needed);
  });

/** True when there is a file or folder at `path`, links followed. */
export const exists = async (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Opens a regular file for reading. A FIFO or a device is refused with `file/unreadable` without waiting for it: a
 * waiting `open` would keep a thread of the process for ever. Refuses `file/not-found`, and `file/too-large` for more
 * than `maxBytes`.
 */
export async function openRegularFile(
  path: string,
  maxBytes = Infinity,
): Promise<{ readonly file: FileHandle; readonly bytes: number }> {
  return readOrRefuse(path, async () => {
    // Opening some devices has effects of its own, so the kind is known first.
    checkRegular(path, await stat(path), maxBytes);
    const file = await open(path, constants.O_RDONLY | nonBlocking);
    try {
      const found = await file.stat();
      checkRegular(path, found, maxBytes);
      return { file, bytes: found.size };
    } catch (error) {
      await file.close();
      throw error;
    }
  });
}

/** As `openRegularFile`; undefined if there is no file. */
export const openRegularFileIfThere = (
  path: string,
  maxBytes?: number,
): Promise<{ readonly file: FileHandle; readonly bytes: number } | undefined> =>
  openRegularFile(path, maxBytes).catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'file/not-found') return undefined;
    throw error;
  });

/** Windows has no files that wait, and no such flag. */
const nonBlocking = process.platform === 'win32' ? 0 : constants.O_NONBLOCK;

function checkRegular(path: string, found: Stats, maxBytes: number): void {
  if (found.isDirectory()) refuse('file/unreadable', { path, why: reasons['EISDIR']! });
  if (!found.isFile()) refuse('file/unreadable', { path, why: 'it is not a regular file' });
  if (found.size > maxBytes) refuse('file/too-large', { path, bytes: found.size, limit: maxBytes });
}

/** Reads a regular file. Refuses as `openRegularFile`. */
export async function readRegularFile(path: string, maxBytes?: number): Promise<Buffer> {
  const { file } = await openRegularFile(path, maxBytes);
  try {
    return await readOrRefuse(path, () => file.readFile());
  } finally {
    await file.close();
  }
}

/** As `openRegularFile`; returns the descriptor. Throws the error of the system, or refuses as `openRegularFile`. */
export function openRegularFileSync(path: string, maxBytes = Infinity): number {
  checkRegular(path, statSync(path), maxBytes);
  const descriptor = openSync(path, constants.O_RDONLY | nonBlocking);
  try {
    checkRegular(path, fstatSync(descriptor), maxBytes);
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** Reads a regular file. Throws as `openRegularFileSync`. */
export function readRegularFileSync(path: string, maxBytes?: number): Buffer {
  const descriptor = openRegularFileSync(path, maxBytes);
  try {
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Bytes of the largest JSON file that Cambium reads whole: an index of a million weights, a plan for them. */
const maxJsonBytes = 300_000_000;

/**
 * Reads a JSON file of a schema. Refuses `file/not-found`, `file/unreadable`, `file/too-large`, `file/bad-json`.
 */
export async function readJsonOf<T>(path: string, schema: z.ZodType<T>, maxBytes = maxJsonBytes): Promise<T> {
  const text = (await readRegularFile(path, maxBytes)).toString('utf8');
  try {
    return parseJson(text, schema);
  } catch (error) {
    return refuse('file/bad-json', { path, why: (error as Error).message });
  }
}

/** As `readJsonOf`; undefined when the file is missing, unreadable or has another form. For caches and records. */
export const readJsonIfOf = <T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> =>
  readJsonOf(path, schema).catch(() => undefined);

/** As `readJsonOf`, for any JSON: its reader checks what it uses. */
export const readJson = (path: string, maxBytes?: number): Promise<Json> =>
  readJsonOf(path, anyJson, maxBytes);

/** As `readJson`; undefined when the file is missing, unreadable or damaged. For caches and remembered values. */
export const readJsonIfValid = (path: string): Promise<Json | undefined> =>
  readJson(path).catch(() => undefined);

/** As `readJson`, and refuses `file/bad-json` when the file does not hold an object. */
export const readJsonObject = (path: string, maxBytes?: number): Promise<JsonObject> =>
  readJsonOf(path, jsonObject, maxBytes);

export interface WriteOptions {
  /** Only its owner can read the file. */
  readonly isPrivate?: boolean;
  /**
   * Default true: once written, the content survives a power failure. False for marks that mean nothing after one;
   * then the file may be empty.
   */
  readonly isDurable?: boolean;
}

let temporaryFiles = 0;
/** A name for a file that is renamed to `path`. `removeStaleFiles` removes it if this process dies before. */
export const createTemporaryPath = (path: string): string =>
  `${path}.${formatOwner(markOwnProcess())}-${threadId}-${temporaryFiles++}.new`;
const temporaryName = createOwnerPattern('.+\\.', '-\\d+-\\d+\\.new');

/** Replaces a file atomically: a reader sees the old content or the new one, never a part. */
export async function writeText(
  path: string,
  text: string,
  { isPrivate = false, isDurable = true }: WriteOptions = {},
): Promise<void> {
  const temporary = createTemporaryPath(path);
  await writeOrRefuse(
    path,
    async () => {
      try {
        await writeNew(temporary, text, { isPrivate, isDurable });
        await rename(temporary, path);
        if (isDurable) await syncFolder(dirname(path));
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
    },
    text.length,
  );
}

async function writeNew(path: string, text: string, options: Required<WriteOptions>): Promise<void> {
  const file = await open(path, 'wx', options.isPrivate ? 0o600 : 0o666);
  try {
    await file.writeFile(text);
    if (options.isDurable) await file.sync();
  } finally {
    await file.close();
  }
}

/** As `writeText`, with JSON indented by two spaces and a final newline. */
export const writeJson = (path: string, value: unknown, options: WriteOptions = {}): Promise<void> =>
  writeText(path, `${JSON.stringify(value, null, 2)}\n`, options);

/** Removes the temporary files that processes left in `folder` when they died during a write. */
export async function removeStaleFiles(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const owner = parseOwner(temporaryName.exec(name)?.groups?.['owner'] ?? '');
    if (!owner) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found && judgeProcess(owner, { key: path, time: found.mtimeMs }) === 'dead')
      await rm(path, { force: true });
  }
}

/** Errors of file systems that cannot sync a folder, and of folders that may be written but not read. */
const unsyncable = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'EACCES', 'EPERM', 'EISDIR']);

/**
 * Makes the names in a folder survive a power failure. Windows cannot open a folder to sync it, and journals its
 * renames.
 */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  try {
    const folder = await open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    if (!unsyncable.has(getCode(error))) throw error;
  }
}

/** Creates a folder and its missing parents. Only the owner can enter the new ones if `isPrivate` is true. */
export async function makeFolder(path: string, { isPrivate = false } = {}): Promise<void> {
  const first = await mkdir(path, { recursive: true, ...(isPrivate ? { mode: 0o700 } : {}) });
  if (first === undefined) return;
  for (let created = resolve(path); ; created = dirname(created)) {
    await syncFolder(dirname(created));
    if (created === resolve(first)) return;
  }
}
