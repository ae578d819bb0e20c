/**
 * @file Small files: JSON read with a named error, text and JSON written whole or not at all, and what the
 * system says turned into errors that a person can act on.
 */
import { readFileSync } from 'node:fs';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { AppError, appError, refuse } from '../../base/errors.ts';
import type { Json, JsonObject } from '../../base/json.ts';

const codeOf = (thrown: unknown): string => (thrown as NodeJS.ErrnoException | null)?.code ?? '';
const whyOf = (thrown: unknown): string => {
  const words: Readonly<Record<string, string>> = {
    EACCES: 'permission denied',
    EPERM: 'not permitted',
    EROFS: 'the disk is read-only',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of its path is not a folder',
    EMFILE: 'too many files are open',
    EIO: 'the disk reports an error',
    ENAMETOOLONG: 'the name is too long',
    ELOOP: 'its links go in a circle',
  };
  return words[codeOf(thrown)] ?? (thrown instanceof Error ? thrown.message : String(thrown));
};

/** True when `thrown` says that a file is not there. */
export const isAbsent = (thrown: unknown): boolean => codeOf(thrown) === 'ENOENT';

/** What a failed read means to a person. An `AppError` stays what it is. */
export function readFailure(path: string, thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  return isAbsent(thrown)
    ? appError('file/not-found', { path })
    : appError('file/unreadable', { path, why: whyOf(thrown) });
}

/** What a failed write means to a person; a full disk names what was `needed` (bytes, 0 when unknown). */
export function writeFailure(path: string, thrown: unknown, needed = 0): unknown {
  if (thrown instanceof AppError || codeOf(thrown) === '') return thrown;
  if (['ENOSPC', 'EDQUOT'].includes(codeOf(thrown)))
    return appError('file/no-space', { path, needed, free: 0 });
  return ['EEXIST', 'ENOTEMPTY'].includes(codeOf(thrown))
    ? appError('file/exists', { path })
    : appError('file/unwritable', { path, why: whyOf(thrown) });
}

/** Any thrown thing as a failure to read `path`, thrown. */
export const reading = async <T>(path: string, work: () => Promise<T>): Promise<T> =>
  work().catch((thrown: unknown) => {
    throw readFailure(path, thrown);
  });
/** Any thrown thing of the file system as a failure to write `path`, thrown. */
export const writing = async <T>(path: string, work: () => Promise<T>, needed = 0): Promise<T> =>
  work().catch((thrown: unknown) => {
    throw writeFailure(path, thrown, needed);
  });

export const exists = async (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** A JSON file; absent and unreadable and damaged ones are refused by name. */
export async function readJson(path: string): Promise<Json> {
  const text = await reading(path, () => readFile(path, 'utf8'));
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    return refuse('file/bad-json', { path, why: (error as Error).message });
  }
}

/**
 * What a JSON file holds, or undefined where it is absent, unreadable or damaged: for what only remembers.
 */
export const readIfSound = (path: string): Promise<Json | undefined> => readJson(path).catch(() => undefined);

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A JSON file that holds one object. */
export async function readObject(path: string): Promise<JsonObject> {
  const value = await readJson(path);
  return isObject(value) ? value : refuse('file/bad-json', { path, why: 'it is not an object' });
}

let written = 0;

/** Replaces a file whole: a reader sees the old one or the new one, never a part. */
export async function writeText(path: string, text: string): Promise<void> {
  const beside = `${path}.${process.pid}-${written++}.new`;
  await writing(
    path,
    async () => {
      try {
        const file = await open(beside, 'w');
        try {
          await file.writeFile(text);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(beside, path);
      } catch (error) {
        await rm(beside, { force: true });
        throw error;
      }
    },
    text.length,
  );
}

/** As `writeText`, with two spaces and a last newline. */
export const writeJson = (path: string, value: unknown): Promise<void> =>
  writeText(path, `${JSON.stringify(value, null, 2)}\n`);

/**
 * True when a process with this number runs on this machine. One that has ended does not, though nobody has
 * asked for its exit code yet: in a container perhaps nobody ever does.
 */
export function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
  return statOf(pid)?.[0] !== 'Z';
}

/**
 * What Linux tells of a process, from its state (field 3 of /proc/PID/stat) on; undefined where the system
 * does not tell, or there is no such process.
 */
export function statOf(pid: number): readonly string[] | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  } // the name before may hold anything
}
