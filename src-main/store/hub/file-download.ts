/**
 * @file One file of a commit into its blob: written on from the byte where it stopped, hashed as it comes,
 * named only when the hash is the Hub's.
 */
import { createHash, type Hash } from 'node:crypto';
import { constants, open, rename, type FileHandle } from 'node:fs/promises';
import { appError, AppError, refuse } from '../../base/errors.ts';
import type { HubFile } from '../../model/hub.ts';
import { freeBytes } from '../fs/folder.ts';
import { isAbsent, writeFailure, writing } from '../fs/files.ts';
import { blobFile, partialFile, sizeOf } from './cache.ts';
import { fileAddress } from './model.ts';
import { networkWords, sleep, type Hub } from './requests.ts';

export interface FileTask {
  readonly repo: string;
  readonly commit: string;
  readonly file: HubFile;
  /** More bytes are there; fewer when a file is begun anew. */ readonly onBytes: (more: number) => void;
  readonly signal: AbortSignal;
}

/** The git hash of a small file covers its length too. */
const hashOf = ({ sha256, bytes }: HubFile): Hash =>
  sha256 ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);
const plainTag = (tag: string | null): string | null =>
  tag?.replace(/^W\//, '').replace(/^"|"$/g, '') ?? null;
const block = 1 << 20;

/**
 * Fetches one file. Bytes that are there already are kept and only hashed; a wrong hash begins the file anew,
 * once.
 */
export async function downloadFile(hub: Hub, task: FileTask): Promise<void> {
  const { repo, file, onBytes } = task;
  const { cache } = hub.settings;
  const partial = partialFile(cache, repo, file.etag);
  for (let round = 1; ; round++) {
    const hash = hashOf(file);
    const handle = await open(partial, constants.O_RDWR | constants.O_CREAT).catch((thrown: unknown) => {
      throw writeFailure(partial, thrown, file.bytes);
    });
    let good = false;
    try {
      const had = (await handle.stat()).size;
      if (had > file.bytes) {
        await handle.truncate(0);
        onBytes(-file.bytes);
      }
      const from = had > file.bytes ? 0 : had;
      await hashStart(handle, hash, from, task.signal);
      await fetchFrom(hub, task, handle, hash, from);
      good = hash.digest('hex') === file.etag && (await handle.stat()).size === file.bytes;
      if (good) await handle.sync();
      else await handle.truncate(0);
    } finally {
      await handle.close();
    }
    if (good) {
      await nameBlob(partial, blobFile(cache, repo, file.etag), file.bytes);
      return;
    }
    onBytes(-file.bytes);
    if (round === 2) refuse('hub/wrong-bytes', { repo, file: file.path });
  }
}

/** Gives checked bytes their name; another process may have done that. */
const nameBlob = (partial: string, blob: string, bytes: number): Promise<void> =>
  writing(blob, () =>
    rename(partial, blob).catch(async (thrown: unknown) => {
      if (!isAbsent(thrown) || (await sizeOf(blob)) !== bytes) throw thrown;
    }),
  );

/** How many of a file's bytes are here, whole or in part. */
export async function presentBytes(
  cache: string,
  repo: string,
  { etag, bytes }: HubFile,
): Promise<{ readonly bytes: number; readonly whole: boolean }> {
  if ((await sizeOf(blobFile(cache, repo, etag))) === bytes) return { bytes, whole: true };
  return { bytes: Math.min(bytes, (await sizeOf(partialFile(cache, repo, etag))) ?? 0), whole: false };
}

async function hashStart(file: FileHandle, hash: Hash, bytes: number, signal: AbortSignal): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(block, bytes));
  for (let at = 0; at < bytes;) {
    if (signal.aborted) refuse('cancelled', { what: 'the download' });
    const { bytesRead } = await file.read(buffer, 0, Math.min(block, bytes - at), at);
    if (bytesRead === 0) refuse('file/unreadable', { path: 'the partial file', why: 'it became shorter' });
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/**
 * Writes bytes `from` to the end where they belong, over as many connections as it takes; each that brings
 * bytes renews the patience.
 */
async function fetchFrom(
  hub: Hub,
  { repo, commit, file, onBytes, signal }: FileTask,
  handle: FileHandle,
  hash: Hash,
  from: number,
): Promise<void> {
  const { attempts, pause } = hub.patience;
  for (let at = from, failures = 0; at < file.bytes;) {
    const before = at;
    try {
      for await (const chunk of bytesFrom(hub, repo, commit, file, at, signal)) {
        if (at + chunk.length > file.bytes) refuse('hub/changed', { repo, file: file.path });
        await write(handle, chunk, at, { cache: hub.settings.cache, needed: file.bytes - at });
        hash.update(chunk);
        at += chunk.length;
        onBytes(chunk.length);
      }
      if (at < file.bytes) throw new TypeError('terminated');
    } catch (thrown) {
      if (signal.aborted) refuse('cancelled', { what: 'the download' });
      const why = networkWords(thrown);
      if (why === undefined) throw thrown;
      failures = at > before ? 1 : failures + 1;
      if (failures >= attempts) throw appError('hub/unreachable', { endpoint: hub.settings.endpoint, why });
      await sleep(pause * 2 ** (failures - 1), signal);
    }
  }
}

async function write(
  handle: FileHandle,
  chunk: Uint8Array,
  at: number,
  { cache, needed }: { readonly cache: string; readonly needed: number },
): Promise<void> {
  try {
    for (let done = 0; done < chunk.length;)
      done += (await handle.write(chunk, done, chunk.length - done, at + done)).bytesWritten;
  } catch (thrown) {
    const failure = writeFailure(cache, thrown, needed);
    if (failure instanceof AppError && failure.code === 'file/no-space')
      refuse('file/no-space', { path: cache, needed, free: await freeBytes(cache) });
    throw failure;
  }
}

/**
 * The bytes of a file from `at` on, from one answer; refused when the file is no longer the one that was
 * asked for.
 */
async function* bytesFrom(
  hub: Hub,
  repo: string,
  commit: string,
  file: HubFile,
  at: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const changed = (): never => refuse('hub/changed', { repo, file: file.path });
  let tag: string | null = null;
  let linked: string | null = null;
  // A redirect's own tag is that of the redirect; what it links to has a header of its own.
  const onOwn = (headers: Headers, last: boolean): void => {
    tag = plainTag(headers.get('x-linked-etag') ?? (last ? headers.get('etag') : null)) ?? tag;
    linked = headers.get('x-linked-size') ?? linked;
  };
  const response = await hub.ask(
    fileAddress(hub, repo, commit, file.path),
    { headers: { 'accept-encoding': 'identity', ...(at > 0 ? { range: `bytes=${at}-` } : {}) }, signal },
    { repo, revision: commit, file: file.path },
    onOwn,
  );
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  if (
    response.status === 416 ||
    (tag !== null && tag !== file.etag) ||
    (linked !== null && Number(linked) !== file.bytes) ||
    (range && Number(range[2]) !== file.bytes)
  ) {
    await response.body?.cancel();
    changed();
  }
  // A server that does not know ranges sends the file from its start.
  let skip = response.status === 206 ? 0 : at;
  if (response.status === 206 && Number(range?.[1]) !== at) {
    await response.body?.cancel();
    changed();
  }
  const reader = response.body!.getReader();
  try {
    for (;;) {
      const { done, value } = await inTime(
        reader.read() as Promise<{ done: boolean; value?: Uint8Array }>,
        hub.patience.silence,
      );
      if (done || !value) return;
      const fresh = value.subarray(Math.min(skip, value.length));
      skip -= value.length - fresh.length;
      if (fresh.length > 0) yield fresh;
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

/** A line that says nothing for too long counts as cut. */
function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new DOMException('no bytes in time', 'TimeoutError'));
    }, ms);
  });
  return Promise.race([work, late]).finally(() => {
    clearTimeout(timer);
  });
}
