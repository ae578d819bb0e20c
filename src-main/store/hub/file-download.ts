/**
 * @file Downloads one file of a commit to its blob: resumed at the byte where it stopped, hashed while it
 * arrives, and renamed to the blob only if the hash matches.
 */
import { createHash, type Hash } from 'node:crypto';
import { constants, open, rename, type FileHandle } from 'node:fs/promises';
import { AppError, createError, refuse } from '../../base/errors.ts';
import type { HubFile } from '../../model/hub.ts';
import { isNotFound, toWriteError, writeOrRefuse } from '../fs/files.ts';
import { getFreeBytes } from '../fs/folder.ts';
import { getBlobPath, getPartialPath, readFileSize } from './cache.ts';
import { getFileUrl } from './ranges.ts';
import { describeNetworkError } from './request-errors.ts';
import { getRetryDelay, sleep, type Hub } from './requests.ts';

export interface FileTask {
  readonly repo: string;
  readonly commit: string;
  readonly file: HubFile;
  /** Called with the number of new bytes; negative when the file starts again. */
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal;
}

const maxRounds = 2;
/** Bytes of one read from disk. */
const blockBytes = 1 << 20;

/** Large files are named by their SHA-256, small ones by their git hash, which covers the length too. */
const createFileHash = ({ sha256, bytes }: HubFile): Hash =>
  sha256 ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`);

/**
 * Downloads one file. Bytes on disk are kept and only hashed. After a wrong hash the file starts again, once.
 * Refuses `hub/wrong-bytes`, `hub/changed`, `hub/unreachable`, `file/no-space`, `cancelled`.
 */
export async function downloadFile(hub: Hub, task: FileTask): Promise<void> {
  const { repo, file, onBytes } = task;
  const { cache } = hub.settings;
  const partial = getPartialPath(cache, repo, file.etag);
  for (let round = 1; round <= maxRounds; round++) {
    if (await completePartial(hub, task, partial)) {
      await renameToBlob(partial, getBlobPath(cache, repo, file.etag), file.bytes);
      return;
    }
    onBytes(-file.bytes);
  }
  refuse('hub/wrong-bytes', { repo, file: file.path });
}

/** Downloads the rest of a partial file. Returns whether its hash is right; if not, the file is emptied. */
async function completePartial(hub: Hub, task: FileTask, partial: string): Promise<boolean> {
  const { file, onBytes, signal } = task;
  const hash = createFileHash(file);
  const handle = await open(partial, constants.O_RDWR | constants.O_CREAT).catch((thrown: unknown) => {
    throw toWriteError(partial, thrown, file.bytes);
  });
  try {
    let { size } = await handle.stat();
    if (size > file.bytes) {
      await handle.truncate(0);
      onBytes(-file.bytes);
      size = 0;
    }
    await hashExisting(handle, hash, size, signal);
    await fetchRest(hub, task, handle, hash, size);
    const isRight = hash.digest('hex') === file.etag && (await handle.stat()).size === file.bytes;
    if (isRight) await handle.sync();
    else await handle.truncate(0);
    return isRight;
  } finally {
    await handle.close();
  }
}

/** Renames a checked partial file to its blob, unless another process has done so. */
const renameToBlob = (partial: string, blob: string, bytes: number): Promise<void> =>
  writeOrRefuse(blob, () =>
    rename(partial, blob).catch(async (thrown: unknown) => {
      if (!isNotFound(thrown) || (await readFileSize(blob)) !== bytes) throw thrown;
    }),
  );

/** How many bytes of a file the cache has, and whether it has the checked blob. */
export async function countPresentBytes(
  cache: string,
  repo: string,
  { etag, bytes }: HubFile,
): Promise<{ readonly bytes: number; readonly isComplete: boolean }> {
  if ((await readFileSize(getBlobPath(cache, repo, etag))) === bytes) return { bytes, isComplete: true };
  const partialBytes = (await readFileSize(getPartialPath(cache, repo, etag))) ?? 0;
  return { bytes: Math.min(bytes, partialBytes), isComplete: false };
}

async function hashExisting(file: FileHandle, hash: Hash, bytes: number, signal: AbortSignal): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(blockBytes, bytes));
  for (let at = 0; at < bytes;) {
    if (signal.aborted) refuse('cancelled', { what: 'the download' });
    const { bytesRead } = await file.read(buffer, 0, Math.min(blockBytes, bytes - at), at);
    if (bytesRead === 0) refuse('file/unreadable', { path: 'the partial file', why: 'it became shorter' });
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/**
 * Fetches the bytes of a file from `start` to its end, over several connections if they break. Each connection
 * that brings bytes resets the attempts.
 */
async function fetchRest(
  hub: Hub,
  task: FileTask,
  handle: FileHandle,
  hash: Hash,
  start: number,
): Promise<void> {
  const { repo, file, onBytes, signal } = task;
  const { settings, retry } = hub;
  let offset = start;
  let failures = 0;
  while (offset < file.bytes) {
    const before = offset;
    try {
      for await (const chunk of streamFrom(hub, task, offset)) {
        if (offset + chunk.length > file.bytes) refuse('hub/changed', { repo, file: file.path });
        await writeChunk(handle, chunk, offset, settings.cache, file.bytes - offset);
        hash.update(chunk);
        offset += chunk.length;
        onBytes(chunk.length);
      }
      if (offset < file.bytes) throw new TypeError('terminated');
    } catch (thrown) {
      if (signal.aborted) refuse('cancelled', { what: 'the download' });
      const why = describeNetworkError(thrown);
      if (why === undefined) throw thrown;
      failures = offset > before ? 1 : failures + 1;
      if (failures >= retry.attempts)
        throw createError('hub/unreachable', { endpoint: settings.endpoint, why });
      await sleep(getRetryDelay(retry, failures), signal);
    }
  }
}

async function writeChunk(
  handle: FileHandle,
  chunk: Uint8Array,
  offset: number,
  cache: string,
  needed: number,
): Promise<void> {
  try {
    for (let done = 0; done < chunk.length;)
      done += (await handle.write(chunk, done, chunk.length - done, offset + done)).bytesWritten;
  } catch (thrown) {
    const error = toWriteError(cache, thrown, needed);
    if (error instanceof AppError && error.code === 'file/no-space')
      refuse('file/no-space', { path: cache, needed, free: await getFreeBytes(cache) });
    throw error;
  }
}

/** Removes the quotes and the weak prefix of an ETag. */
const parseEtag = (etag: string | null): string | null =>
  etag?.replace(/^W\//, '').replace(/^"|"$/g, '') ?? null;

/**
 * Yields the bytes of a file from `offset` to `end` (default: its end), from one response. Refuses `hub/changed`
 * when the ETag or the size is another one than that of the file.
 */
export async function* streamFrom(
  hub: Hub,
  { repo, commit, file, signal }: Omit<FileTask, 'onBytes'>,
  offset: number,
  end = file.bytes,
): AsyncGenerator<Uint8Array> {
  let etag: string | null = null;
  let linkedSize: string | null = null;
  // The ETag of a redirect is its own; that of its target is in another header.
  const onHubResponse = (headers: Headers, isLast: boolean): void => {
    const tag = headers.get('x-linked-etag') ?? (isLast ? headers.get('etag') : null);
    etag = parseEtag(tag) ?? etag;
    linkedSize = headers.get('x-linked-size') ?? linkedSize;
  };
  const last = end < file.bytes ? String(end - 1) : '';
  const range = offset > 0 || last !== '' ? { range: `bytes=${offset}-${last}` } : {};
  const response = await hub.request(
    getFileUrl(hub, repo, commit, file.path),
    { headers: { 'accept-encoding': 'identity', ...range }, signal },
    { repo, revision: commit, file: file.path },
    onHubResponse,
  );
  const contentRange = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  const isPartial = response.status === 206;
  const hasChanged =
    response.status === 416 ||
    (etag !== null && etag !== file.etag) ||
    (linkedSize !== null && Number(linkedSize) !== file.bytes) ||
    (contentRange && Number(contentRange[2]) !== file.bytes) ||
    (isPartial && Number(contentRange?.[1]) !== offset);
  if (hasChanged) {
    await response.body?.cancel();
    refuse('hub/changed', { repo, file: file.path });
  }
  // A server without range requests sends the file from its start.
  let skip = isPartial ? 0 : offset;
  let wantedBytes = end - offset;
  const reader = response.body!.getReader();
  try {
    for (;;) {
      const { done, value } = await withTimeout(
        reader.read() as Promise<{ done: boolean; value?: Uint8Array }>,
        hub.retry.timeout,
      );
      if (done || !value) return;
      const unread = value.subarray(Math.min(skip, value.length));
      skip -= value.length - unread.length;
      // More bytes than the file has are the caller's to refuse.
      const wanted = end < file.bytes ? unread.subarray(0, wantedBytes) : unread;
      wantedBytes -= wanted.length;
      if (wanted.length > 0) yield wanted;
      if (end < file.bytes && wantedBytes === 0) return;
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

/** Rejects with a TimeoutError when `work` takes longer than `ms`. */
function withTimeout<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new DOMException('no bytes in time', 'TimeoutError'));
    }, ms);
  });
  return Promise.race([work, timeout]).finally(() => {
    clearTimeout(timer);
  });
}
