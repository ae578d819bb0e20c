/**
 * @file The journal of a download and the lock of a repository, in the repository's folder in the cache. The
 * journal lists the files to fetch; once complete, it is the manifest of a checked snapshot.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, rmdir, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { HubFile, HubSnapshot } from '../../model/hub.ts';
import { isNotFound, isObject, readJsonIfValid, writeJson, writeOrRefuse } from '../fs/files.ts';
import { isProcessAlive } from '../fs/process.ts';

export interface Journal extends HubSnapshot {
  readonly version: 1;
  /** ISO 8601. */
  readonly begun: string;
  /** ISO 8601: when every file had arrived with its hash. Null while the download is unfinished. */
  readonly complete: string | null;
}

/** The folder of journals and the lock, in the folder of a repository. */
export const journalFolder = '.cambium';
const getJournalDir = (repoDir: string): string => join(repoDir, journalFolder);
const getJournalFile = (repoDir: string, commit: string): string =>
  join(getJournalDir(repoDir), `${commit}.json`);

/**
 * Reads all journals of a repository. Skips damaged ones: the partial files show how far their download got.
 */
export async function readJournals(repoDir: string): Promise<readonly Journal[]> {
  const names = await readdir(getJournalDir(repoDir)).catch(() => []);
  const journals: Journal[] = [];
  for (const name of names) {
    if (!/^[0-9a-f]{40}\.json$/.test(name)) continue;
    const value: unknown = await readJsonIfValid(join(getJournalDir(repoDir), name));
    if (isJournal(value) && value.commit === name.slice(0, 40)) journals.push(value);
  }
  return journals;
}

const isJournal = (value: unknown): value is Journal =>
  isObject(value) &&
  value['version'] === 1 &&
  isSafeName(value['repo']) &&
  isSafeName(value['revision']) &&
  Array.isArray(value['files']) &&
  (value['files'] as unknown[]).every(isHubFile);

/** Names become paths, which must not leave their folder. */
const isSafeName = (value: unknown): boolean =>
  typeof value === 'string' && /^(?!.*\.\.)\w[\w./-]*$/.test(value);

const isHubFile = (value: unknown): value is HubFile =>
  isObject(value) &&
  typeof value['path'] === 'string' &&
  typeof value['etag'] === 'string' &&
  Number.isSafeInteger(value['bytes']) &&
  /^[0-9a-f]{40,64}$/.test(value['etag']) &&
  !/[/\\]/.test(value['path']);

export async function writeJournal(repoDir: string, journal: Journal): Promise<void> {
  await writeOrRefuse(repoDir, () => mkdir(getJournalDir(repoDir), { recursive: true }));
  await writeJson(getJournalFile(repoDir, journal.commit), journal);
}

export const deleteJournal = (repoDir: string, commit: string): Promise<void> =>
  writeOrRefuse(repoDir, () => rm(getJournalFile(repoDir, commit), { force: true }));

/** Milliseconds between two updates of a lock's time. */
const heartbeatInterval = 3000;
/** A lock whose time is older was left by a process that died. */
const staleAfter = 20_000;
/** Tries to take a lock while other processes take and release it. */
const maxAttempts = 5;

/** One lock per repository, because its commits share blobs and partial files. */
const getLockFile = (repoDir: string): string => join(getJournalDir(repoDir), 'lock');

/** The commit that a live process downloads into a repository; undefined when there is none. */
export const readLockedCommit = (repoDir: string): Promise<string | undefined> =>
  readLiveLock(getLockFile(repoDir));

/** The commit in a lock of a live process. Empty in the moment between creating and writing the lock. */
async function readLiveLock(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  const [pid, commit = ''] = (await readFile(path, 'utf8').catch(() => '')).split(' ');
  if (!found || Date.now() - found.mtimeMs >= staleAfter) return undefined;
  return commit === '' || isProcessAlive(Number(pid)) ? commit : undefined;
}

/**
 * Locks a repository for this process. Refuses `hub/already` when another download has the lock. Returns a
 * function that releases the lock and removes folders that are empty.
 */
export async function lockRepo(repoDir: string, repo: string, commit: string): Promise<() => Promise<void>> {
  const path = getLockFile(repoDir);
  const own = `${process.pid} ${commit}`;
  for (let attempt = 1; !(await createLock(path, own)); attempt++) {
    if (attempt === maxAttempts || (await readLiveLock(path)) !== undefined) refuse('hub/already', { repo });
    await removeStaleLock(path);
  }
  const timer = setInterval(() => {
    const now = new Date();
    void utimes(path, now, now).catch(() => undefined);
  }, heartbeatInterval);
  timer.unref();
  return async () => {
    clearInterval(timer);
    if ((await readFile(path, 'utf8').catch(() => '')) === own) await rm(path, { force: true });
    for (const folder of [getJournalDir(repoDir), repoDir]) await rmdir(folder).catch(() => undefined);
  };
}

/** Creates the lock file. False when it exists, or when another process removed its folder meanwhile. */
const createLock = (path: string, own: string): Promise<boolean> =>
  writeOrRefuse(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, 'wx').catch((thrown: unknown) => {
      if (isNotFound(thrown) || (thrown as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
      throw thrown;
    });
    if (!file) return false;
    try {
      await file.writeFile(own);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    return true;
  });

/**
 * Removes a stale lock. It is moved aside and checked again, because another process may have replaced it by
 * a live one, which is moved back.
 */
async function removeStaleLock(path: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside).catch(() => undefined);
  if ((await readLiveLock(aside)) !== undefined) await rename(aside, path);
  else await rm(aside, { force: true });
}
