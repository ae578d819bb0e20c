/** @file The journal of a download, beside its blobs: what is to be fetched, who is at it, and in the end, written last, that all of it is there and checked. */
import { mkdir, open, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { HubFile, HubSnapshot } from '../../model/hub.ts';
import { isAlive, isObject, readJson, writeJson, writing } from '../files.ts';

/** `complete` (ISO 8601) is the manifest: every file arrived with its hash. */
export interface Journal extends HubSnapshot { readonly version: 1; readonly begun: string; readonly complete: string | null }

const folderOf = (repoDir: string): string => join(repoDir, '.cambium');
const journalFile = (repoDir: string, commit: string): string => join(folderOf(repoDir), `${commit}.json`);

/** All journals of a repository; a damaged one counts as none, because the partial files tell how far it is. */
export async function journals(repoDir: string): Promise<readonly Journal[]> {
  const names = await readdir(folderOf(repoDir)).catch(() => []), found: Journal[] = [];
  for (const name of names) {
    if (!/^[0-9a-f]{40}\.json$/.test(name)) continue;
    const value: unknown = await readJson(join(folderOf(repoDir), name)).catch(() => undefined);
    if (isObject(value) && value['version'] === 1 && value['commit'] === name.slice(0, 40) && isPlain(value['repo']) && isPlain(value['revision']) && Array.isArray(value['files']) && (value['files'] as unknown[]).every(isFile)) found.push(value as unknown as Journal);
  }
  return found;
}
/** No way out of the folders that these words become. */
const isPlain = (value: unknown): boolean => typeof value === 'string' && /^(?!.*\.\.)\w[\w./-]*$/.test(value);
const isFile = (value: unknown): value is HubFile => isObject(value) && typeof value['path'] === 'string' && typeof value['etag'] === 'string' && Number.isSafeInteger(value['bytes']) && /^[0-9a-f]{40,64}$/.test(value['etag']) && !/[/\\]/.test(value['path']);

export async function writeJournal(repoDir: string, journal: Journal): Promise<void> {
  await writing(repoDir, () => mkdir(folderOf(repoDir), { recursive: true }));
  await writeJson(journalFile(repoDir, journal.commit), journal);
}

export const dropJournal = (repoDir: string, commit: string): Promise<void> => writing(repoDir, async () => {
  await rm(journalFile(repoDir, commit), { force: true });
  if ((await readdir(folderOf(repoDir)).catch(() => ['?'])).length === 0) await rm(folderOf(repoDir), { recursive: true, force: true });
});

/** A lock is held while its process lives and touches it. */
const beat = 3000, stale = 20_000;

/** True while a process is at this download. */
export async function isHeld(repoDir: string, commit: string): Promise<boolean> {
  const path = `${journalFile(repoDir, commit)}.lock`, found = await stat(path).catch(() => undefined);
  if (!found) return false;
  const pid = Number(await readFile(path, 'utf8').catch(() => ''));
  return isAlive(pid) && Date.now() - found.mtimeMs < stale;
}

/** Takes the download for this process, or refuses; the answer lets it go. */
export async function hold(repoDir: string, repo: string, commit: string): Promise<() => Promise<void>> {
  const path = `${journalFile(repoDir, commit)}.lock`;
  await writing(repoDir, () => mkdir(folderOf(repoDir), { recursive: true }));
  if (await isHeld(repoDir, commit)) refuse('hub/already', { repo });
  await rm(path, { force: true });
  const file = await open(path, 'wx').catch(() => refuse('hub/already', { repo }));
  try { await file.writeFile(String(process.pid)); } finally { await file.close(); }
  const timer = setInterval(() => { const now = new Date(); void utimes(path, now, now).catch(() => undefined); }, beat);
  timer.unref();
  return async () => { clearInterval(timer); await rm(path, { force: true }); };
}
