/**
 * @file The journal of a download, beside its blobs: what is to be fetched, who is at it, and in the end,
 * written last, that all of it is there and checked.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, rmdir, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { HubFile, HubSnapshot } from '../../model/hub.ts';
import { isAbsent, isAlive, isObject, readJson, writeJson, writing } from '../fs/files.ts';

/** `complete` (ISO 8601) is the manifest: every file arrived with its hash. */
export interface Journal extends HubSnapshot {
  readonly version: 1;
  readonly begun: string;
  readonly complete: string | null;
}

/** Below the folder of a repository. */
export const ownFolder = '.cambium';
const folderOf = (repoDir: string): string => join(repoDir, ownFolder);
const journalFile = (repoDir: string, commit: string): string => join(folderOf(repoDir), `${commit}.json`);

/**
 * All journals of a repository; a damaged one counts as none, because the partial files tell how far it is.
 */
export async function journals(repoDir: string): Promise<readonly Journal[]> {
  const names = await readdir(folderOf(repoDir)).catch(() => []);
  const found: Journal[] = [];
  for (const name of names) {
    if (!/^[0-9a-f]{40}\.json$/.test(name)) continue;
    const value: unknown = await readJson(join(folderOf(repoDir), name)).catch(() => undefined);
    if (
      isObject(value) &&
      value['version'] === 1 &&
      value['commit'] === name.slice(0, 40) &&
      isPlain(value['repo']) &&
      isPlain(value['revision']) &&
      Array.isArray(value['files']) &&
      (value['files'] as unknown[]).every(isFile)
    )
      found.push(value as unknown as Journal);
  }
  return found;
}
/** No way out of the folders that these words become. */
const isPlain = (value: unknown): boolean =>
  typeof value === 'string' && /^(?!.*\.\.)\w[\w./-]*$/.test(value);
const isFile = (value: unknown): value is HubFile =>
  isObject(value) &&
  typeof value['path'] === 'string' &&
  typeof value['etag'] === 'string' &&
  Number.isSafeInteger(value['bytes']) &&
  /^[0-9a-f]{40,64}$/.test(value['etag']) &&
  !/[/\\]/.test(value['path']);

export async function writeJournal(repoDir: string, journal: Journal): Promise<void> {
  await writing(repoDir, () => mkdir(folderOf(repoDir), { recursive: true }));
  await writeJson(journalFile(repoDir, journal.commit), journal);
}

export const dropJournal = (repoDir: string, commit: string): Promise<void> =>
  writing(repoDir, () => rm(journalFile(repoDir, commit), { force: true }));

/**
 * A lock is held while its process lives and touches it. There is one for a repository, because commits share
 * partial files and blobs.
 */
const beat = 3000;
const stale = 20_000;
const lockFile = (repoDir: string): string => join(folderOf(repoDir), 'lock');

/** The commit of a repository that a process is at; undefined while none is. */
export const heldCommit = (repoDir: string): Promise<string | undefined> => holderOf(lockFile(repoDir));

/** What a lock that is held says of its commit: nothing in the moment in which it is made. */
async function holderOf(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  const [pid, commit = ''] = (await readFile(path, 'utf8').catch(() => '')).split(' ');
  return found && Date.now() - found.mtimeMs < stale && (commit === '' || isAlive(Number(pid)))
    ? commit
    : undefined;
}

/** Tries to take a lock that others take and leave at the same time. */
const attempts = 5;

/**
 * Takes the repository for this process, or refuses; the answer lets it go, and takes the folders away in
 * which nothing is left.
 */
export async function hold(repoDir: string, repo: string, commit: string): Promise<() => Promise<void>> {
  const path = lockFile(repoDir);
  const own = `${process.pid} ${commit}`;
  for (let n = 1; !(await makeLock(path, own)); n++) {
    if (n === attempts || (await holderOf(path)) !== undefined) refuse('hub/already', { repo });
    await clearLock(path);
  }
  const timer = setInterval(() => {
    const now = new Date();
    void utimes(path, now, now).catch(() => undefined);
  }, beat);
  timer.unref();
  return async () => {
    clearInterval(timer);
    if ((await readFile(path, 'utf8').catch(() => '')) === own) await rm(path, { force: true });
    for (const folder of [folderOf(repoDir), repoDir]) await rmdir(folder).catch(() => undefined);
  };
}

/** False where a lock is there already, or whoever let the last one go took the folder away. */
const makeLock = (path: string, own: string): Promise<boolean> =>
  writing(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, 'wx').catch((thrown: unknown) => {
      if (isAbsent(thrown) || (thrown as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
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
 * Takes a dead lock away. It is judged again out of the way: another process may have put its own in its
 * place meanwhile, and that goes back.
 */
async function clearLock(path: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside).catch(() => undefined);
  if ((await holderOf(aside)) !== undefined) await rename(aside, path);
  else await rm(aside, { force: true });
}
