/**
 * @file A whole snapshot into the Hugging Face cache: files side by side, picked up where they stopped,
 * present only when its manifest is written, which comes last.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { DownloadEvent, HubFile, HubPartial, HubSnapshot } from '../../model/hub.ts';
import { writing } from '../fs/files.ts';
import { freeBytes, standing } from '../fs/folder.ts';
import { linkSnapshot, repoFolder, repoFolders, sizeOf, snapshotFolder, sweepSnapshot } from './cache.ts';
import { downloadFile, presentBytes } from './file-download.ts';
import { dropJournal, heldCommit, hold, journals, writeJournal } from './journal.ts';
import { inParallel } from './parallel.ts';
import type { Hub } from './requests.ts';

export interface DownloadOptions {
  readonly onEvent?: (event: Extract<DownloadEvent, { at: 'bytes' }>) => void;
  /** Stops it; everything that came is kept. */
  readonly signal?: AbortSignal;
  /** Free bytes of a disk; the system's own answer when absent. */
  readonly free?: (folder: string) => Promise<number>;
}

/** Connections at a time. */
const streams = 4;
/** Milliseconds between two events, and over which the speed is measured. */
const pace = 250;
const window = 5000;

/** Fetches what is missing of a snapshot and answers with its folder. */
export async function downloadSnapshot(
  hub: Hub,
  snapshot: HubSnapshot,
  { onEvent, signal = new AbortController().signal, free = freeBytes }: DownloadOptions = {},
): Promise<string> {
  const { cache } = hub.settings;
  const { repo, commit, files } = snapshot;
  const folder = repoFolder(cache, repo);
  const ready = await wholeSnapshot(cache, repo, commit);
  if (ready) {
    if (snapshot.revision !== commit) await linkSnapshot(cache, { ...snapshot, files: [] });
    return ready;
  }
  const release = await hold(folder, repo, commit);
  try {
    await writing(folder, async () => {
      for (const name of ['blobs', 'snapshots', 'refs']) await mkdir(join(folder, name), { recursive: true });
    });
    const blobs = unique(files);
    const here = await Promise.all(blobs.map((file) => presentBytes(cache, repo, file)));
    const of = sum(blobs);
    const needed = await roomFor(cache, snapshot, free);
    const journal = {
      version: 1 as const,
      repo,
      revision: snapshot.revision,
      commit,
      files,
      begun: new Date().toISOString(),
      complete: null,
    };
    await writeJournal(folder, journal);
    const missing = blobs.filter((_, i) => !here[i]!.whole);
    const meter = createMeter(of - needed, of, blobs.length - missing.length, blobs.length, onEvent);
    // One refusal stops the others: what they have is kept.
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    try {
      await inParallel(missing, streams, async (file) => {
        if (both.aborted) refuse('cancelled', { what: 'the download' });
        meter.begin(file.path);
        try {
          await downloadFile(hub, { repo, commit, file, onBytes: meter.add, signal: both });
        } catch (error) {
          stop.abort();
          throw error;
        }
        meter.end(file.path);
      });
    } finally {
      meter.close();
    }
    const dir = await linkSnapshot(cache, snapshot);
    await writeJournal(folder, { ...journal, complete: new Date().toISOString() });
    return dir;
  } finally {
    await release();
  }
}

const sum = (files: readonly HubFile[]): number => files.reduce((n, file) => n + file.bytes, 0);
/** Two files of the same content are one blob. Small ones first, so that what tells most is there early. */
const unique = (files: readonly HubFile[]): readonly HubFile[] =>
  [...new Map(files.map((file) => [file.etag, file])).values()].sort((a, b) => a.bytes - b.bytes);

/** The folder of a snapshot that is here with its manifest and every file; undefined otherwise. */
export async function wholeSnapshot(
  cache: string,
  repo: string,
  commit: string,
): Promise<string | undefined> {
  const journal = (await journals(repoFolder(cache, repo))).find((one) => one.commit === commit);
  if (!journal || journal.complete === null) return undefined;
  for (const file of journal.files)
    if (
      !(await presentBytes(cache, repo, file)).whole ||
      (await sizeOf(join(snapshotFolder(cache, repo, commit), file.path))) === null
    )
      return undefined;
  return snapshotFolder(cache, repo, commit);
}

/** Downloads that were begun and are not whole. */
export async function partialDownloads(cache: string): Promise<readonly HubPartial[]> {
  const found: HubPartial[] = [];
  for (const folder of await repoFolders(cache)) {
    const held = await heldCommit(folder);
    for (const { repo, revision, commit, files, complete } of await journals(folder)) {
      if (complete !== null) continue;
      const bytes = sum(unique(files));
      const done = bytes - (await missingBytes(cache, repo, files));
      found.push({ repo, revision, commit, done, bytes, state: held === commit ? 'elsewhere' : 'paused' });
    }
  }
  return found;
}

/** Bytes of these files that are not here yet. */
export async function missingBytes(cache: string, repo: string, files: readonly HubFile[]): Promise<number> {
  const blobs = unique(files);
  const here = await Promise.all(blobs.map((file) => presentBytes(cache, repo, file)));
  return sum(blobs) - here.reduce((n, { bytes }) => n + bytes, 0);
}

/** Bytes of a snapshot that are not here yet; refused when the disk has fewer free. */
export async function roomFor(
  cache: string,
  { repo, files }: HubSnapshot,
  free = freeBytes,
): Promise<number> {
  const needed = await missingBytes(cache, repo, files);
  const left = needed > 0 ? await free(await standing(repoFolder(cache, repo))) : Infinity;
  if (left < needed) refuse('file/no-space', { path: cache, needed, free: left });
  return needed;
}

/** The snapshot that a download was begun with, as its journal has it. */
export const begunSnapshot = async (
  cache: string,
  repo: string,
  commit: string,
): Promise<HubSnapshot | undefined> =>
  (await journals(repoFolder(cache, repo))).find((one) => one.commit === commit);

/** Gives a download up: its partial files, and the blobs that nothing else names, are removed. */
export async function dropDownload(cache: string, repo: string, commit: string): Promise<void> {
  const folder = repoFolder(cache, repo);
  const unfinished = async (): Promise<HubSnapshot | undefined> =>
    (await journals(folder)).find((one) => one.commit === commit && one.complete === null);
  if (!(await unfinished())) return;
  const release = await hold(folder, repo, commit);
  try {
    const snapshot = await unfinished();
    if (!snapshot) return;
    await dropJournal(folder, commit);
    await sweepSnapshot(cache, snapshot);
  } finally {
    await release();
  }
}

interface Meter {
  begin(path: string): void;
  add(bytes: number): void;
  end(path: string): void;
  close(): void;
}

/** Counts bytes and tells of them at a steady pace; the speed is that of the last seconds. */
function createMeter(
  start: number,
  of: number,
  filesDone: number,
  ofFiles: number,
  onEvent: DownloadOptions['onEvent'],
): Meter {
  const now = new Set<string>();
  const seen: { readonly time: number; readonly done: number }[] = [{ time: performance.now(), done: start }];
  let done = start;
  let files = filesDone;
  const tell = (): void => {
    const time = performance.now();
    seen.push({ time, done });
    while (seen.length > 2 && time - seen[0]!.time > window) seen.shift();
    const span = (time - seen[0]!.time) / 1000;
    onEvent?.({
      at: 'bytes',
      done,
      of,
      perSecond: span > 0 ? Math.max(0, (done - seen[0]!.done) / span) : 0,
      files,
      ofFiles,
      now: [...now],
    });
  };
  const timer = setInterval(tell, pace);
  tell();
  return {
    begin(path) {
      now.add(path);
    },
    add(bytes) {
      done = Math.max(0, Math.min(of, done + bytes));
    },
    end(path) {
      now.delete(path);
      files++;
    },
    close() {
      clearInterval(timer);
      tell();
    },
  };
}
