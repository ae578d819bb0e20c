/**
 * @file The journal of a download and the lock of a repository, in the repository's folder in the cache. The
 * journal lists the files to fetch; once complete, it is the manifest of a checked snapshot.
 */
import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { refuse } from '../../base/errors.ts';
import type { HubSnapshot } from '../../model/hub.ts';
import { makeFolder, readJsonIfValid, removeStaleFiles, writeJson, writeOrRefuse } from '../fs/files.ts';
import { readLock, takeLock } from '../fs/lock.ts';
import { isValidRepo, isValidRevision } from './settings.ts';

/** Names become paths, which must not leave their folder. */
const hubFile = z.object({
  path: z.string().regex(/^(?!\.{1,2}$)[^/\\\0:]{1,255}$/),
  bytes: z.number().int().min(0),
  etag: z.string().regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/),
  sha256: z.boolean(),
});
/** A snapshot whose names are safe as paths. */
export const safeSnapshot = z.object({
  repo: z.string().refine(isValidRepo),
  revision: z.string().refine(isValidRevision),
  commit: z.string().regex(/^[0-9a-f]{40}$/),
  files: z.array(hubFile),
});
const journalSchema = safeSnapshot.extend({
  version: z.literal(1),
  begun: z.string(),
  complete: z.string().nullable(),
});

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
    const journal = journalSchema.safeParse(await readJsonIfValid(join(getJournalDir(repoDir), name)));
    if (journal.success && journal.data.commit === name.slice(0, 40)) journals.push(journal.data);
  }
  return journals;
}

export async function writeJournal(repoDir: string, journal: Journal): Promise<void> {
  await writeOrRefuse(repoDir, () => makeFolder(getJournalDir(repoDir)));
  await writeJson(getJournalFile(repoDir, journal.commit), journal);
}

export const deleteJournal = (repoDir: string, commit: string): Promise<void> =>
  writeOrRefuse(repoDir, () => rm(getJournalFile(repoDir, commit), { force: true }));

/** One lock per repository, because its commits share blobs and partial files. */
const getLockFile = (repoDir: string): string => join(getJournalDir(repoDir), 'lock');

/** The commit that a live process downloads into a repository; undefined when there is none. */
export async function readLockedCommit(repoDir: string): Promise<string | undefined> {
  const holder = await readLock(getLockFile(repoDir));
  return holder && holder.verdict !== 'dead' ? holder.note : undefined;
}

/**
 * Locks a repository for this process. Refuses `hub/already` when another download has the lock. Returns a
 * function that releases the lock and removes folders that are empty.
 */
export async function lockRepo(repoDir: string, repo: string, commit: string): Promise<() => Promise<void>> {
  const lock = await takeLock(getLockFile(repoDir), { note: commit, createFolder: true });
  if (!lock) return refuse('hub/already', { repo });
  await removeStaleFiles(getJournalDir(repoDir)).catch(() => undefined);
  return async () => {
    await lock.release();
    for (const folder of [getJournalDir(repoDir), repoDir]) await rmdir(folder).catch(() => undefined);
  };
}
