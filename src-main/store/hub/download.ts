/**
 * @file Downloads a snapshot into the Hugging Face cache: several files at a time, resumed where they stopped.
 * The snapshot counts as complete once its journal says so, which is written last.
 */
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { DownloadEvent, HubFile, HubPartial, HubSnapshot } from '../../model/hub.ts';
import { makeFolder, syncFolder, writeOrRefuse } from '../fs/files.ts';
import { findExistingAncestor, getFreeBytes } from '../fs/folder.ts';
import {
  getRepoDir,
  getSnapshotDir,
  linkSnapshot,
  listRepoDirs,
  readFileSize,
  removeUnusedBlobs,
} from './cache.ts';
import { createMeter } from './download-meter.ts';
import { countPresentBytes, downloadFile } from './file-download.ts';
import {
  deleteJournal,
  lockRepo,
  readJournals,
  readLockedCommit,
  safeSnapshot,
  writeJournal,
  type Journal,
} from './journal.ts';
import { mapConcurrently } from './parallel.ts';
import type { Hub } from './requests.ts';

export interface DownloadOptions {
  readonly onEvent?: (event: Extract<DownloadEvent, { type: 'bytes' }>) => void;
  /** Stops the download. What has arrived is kept. */
  readonly signal?: AbortSignal;
  /** Overrides how free disk space is measured; for tests. */
  readonly getFreeBytes?: (folder: string) => Promise<number>;
}

const maxConnections = 4;

/**
 * Downloads the missing files of a snapshot. Returns its folder. Refuses `hub/already` while the repository is
 * being downloaded, `hub/bad-name`, `file/no-space`, `cancelled`, and what `downloadFile` refuses.
 */
export async function downloadSnapshot(
  hub: Hub,
  snapshot: HubSnapshot,
  options: DownloadOptions = {},
): Promise<string> {
  const { cache } = hub.settings;
  const { repo, revision, commit } = snapshot;
  if (!safeSnapshot.safeParse(snapshot).success) refuse('hub/bad-name', { given: `${repo}@${revision}` });
  const complete = await findCompleteSnapshot(cache, repo, commit);
  if (complete) {
    if (revision !== commit) await linkSnapshot(cache, { ...snapshot, files: [] });
    return complete;
  }
  const repoDir = getRepoDir(cache, repo);
  const release = await lockRepo(repoDir, repo, commit);
  try {
    await writeOrRefuse(repoDir, async () => {
      for (const name of ['blobs', 'snapshots', 'refs']) await makeFolder(join(repoDir, name));
    });
    await checkFreeSpace(cache, snapshot, options.getFreeBytes);
    const journal: Journal = {
      version: 1,
      repo,
      revision,
      commit,
      files: snapshot.files,
      begun: new Date().toISOString(),
      complete: null,
    };
    await writeJournal(repoDir, journal);
    await downloadBlobs(hub, snapshot, options);
    await writeOrRefuse(repoDir, () => syncFolder(join(repoDir, 'blobs')));
    const dir = await linkSnapshot(cache, snapshot);
    await writeJournal(repoDir, { ...journal, complete: new Date().toISOString() });
    return dir;
  } finally {
    await release();
  }
}

/** Downloads the blobs that are missing. A failure stops the other files; what they have is kept. */
async function downloadBlobs(
  hub: Hub,
  { repo, commit, files }: HubSnapshot,
  { onEvent, signal = new AbortController().signal }: DownloadOptions,
): Promise<void> {
  const blobs = listBlobs(files);
  const present = await Promise.all(blobs.map((file) => countPresentBytes(hub.settings.cache, repo, file)));
  const missing = blobs.filter((_, i) => !present[i]!.isComplete);
  const meter = createMeter(
    {
      doneBytes: present.reduce((n, { bytes }) => n + bytes, 0),
      totalBytes: sumBytes(blobs),
      doneFiles: blobs.length - missing.length,
      totalFiles: blobs.length,
    },
    onEvent,
  );
  const failure = new AbortController();
  const eitherSignal = AbortSignal.any([signal, failure.signal]);
  try {
    await mapConcurrently(missing, maxConnections, async (file) => {
      if (eitherSignal.aborted) refuse('cancelled', { what: 'the download' });
      meter.beginFile(file.path);
      try {
        await downloadFile(hub, { repo, commit, file, onBytes: meter.addBytes, signal: eitherSignal });
      } catch (error) {
        failure.abort();
        throw error;
      }
      meter.endFile(file.path);
    });
  } finally {
    meter.close();
  }
}

const sumBytes = (files: readonly HubFile[]): number => files.reduce((n, file) => n + file.bytes, 0);

/** Files of the same content share a blob. Small files come first, because config and tokenizer are small. */
const listBlobs = (files: readonly HubFile[]): readonly HubFile[] =>
  [...new Map(files.map((file) => [file.etag, file])).values()].sort((a, b) => a.bytes - b.bytes);

/** The folder of a snapshot that Cambium downloaded and that has all of its files; undefined otherwise. */
export async function findCompleteSnapshot(
  cache: string,
  repo: string,
  commit: string,
): Promise<string | undefined> {
  const journal = await findJournal(cache, repo, commit);
  if (!journal || journal.complete === null) return undefined;
  const dir = getSnapshotDir(cache, repo, commit);
  for (const file of journal.files) {
    const { isComplete } = await countPresentBytes(cache, repo, file);
    if (!isComplete || (await readFileSize(join(dir, file.path))) === null) return undefined;
  }
  return dir;
}

const findJournal = async (cache: string, repo: string, commit: string): Promise<Journal | undefined> =>
  (await readJournals(getRepoDir(cache, repo))).find((journal) => journal.commit === commit);

/** The unfinished downloads in the cache. */
export async function listPartialDownloads(cache: string): Promise<readonly HubPartial[]> {
  const partials: HubPartial[] = [];
  for (const repoDir of await listRepoDirs(cache)) {
    const lockedCommit = await readLockedCommit(repoDir);
    for (const { repo, revision, commit, files, complete } of await readJournals(repoDir)) {
      if (complete !== null) continue;
      const bytes = sumBytes(listBlobs(files));
      const done = bytes - (await countMissingBytes(cache, repo, files));
      const state = lockedCommit === commit ? 'elsewhere' : 'paused';
      partials.push({ repo, revision, commit, done, bytes, state });
    }
  }
  return partials;
}

/** Bytes of these files that the cache does not have yet. */
export async function countMissingBytes(
  cache: string,
  repo: string,
  files: readonly HubFile[],
): Promise<number> {
  const blobs = listBlobs(files);
  const present = await Promise.all(blobs.map((file) => countPresentBytes(cache, repo, file)));
  return sumBytes(blobs) - present.reduce((n, { bytes }) => n + bytes, 0);
}

/** Bytes of a snapshot that are still missing. Refuses `file/no-space` when the disk has fewer free. */
export async function checkFreeSpace(
  cache: string,
  { repo, files }: HubSnapshot,
  measureFree = getFreeBytes,
): Promise<number> {
  const needed = await countMissingBytes(cache, repo, files);
  if (needed === 0) return needed;
  const free = await measureFree(await findExistingAncestor(getRepoDir(cache, repo)));
  if (free < needed) refuse('file/no-space', { path: cache, needed, free });
  return needed;
}

/** The snapshot that a download was started with, from its journal. */
export const findStartedSnapshot = (
  cache: string,
  repo: string,
  commit: string,
): Promise<HubSnapshot | undefined> => findJournal(cache, repo, commit);

/** Discards an unfinished download: removes its partial files, and blobs that no snapshot uses. */
export async function discardDownload(cache: string, repo: string, commit: string): Promise<void> {
  const repoDir = getRepoDir(cache, repo);
  const findUnfinished = async (): Promise<HubSnapshot | undefined> => {
    const journal = await findJournal(cache, repo, commit);
    return journal?.complete === null ? journal : undefined;
  };
  if (!(await findUnfinished())) return;
  const release = await lockRepo(repoDir, repo, commit);
  try {
    const snapshot = await findUnfinished();
    if (!snapshot) return;
    await deleteJournal(repoDir, commit);
    await removeUnusedBlobs(cache, snapshot);
  } finally {
    await release();
  }
}
