/**
 * @file Reads byte ranges of a file of a commit, in pieces over a few connections. A connection that breaks continues
 * at its byte. Every response must be of the file that the commit lists: same ETag, same size.
 */
import { createError } from '../../base/errors.ts';
import type { HubFile } from '../../model/hub.ts';
import { streamFrom } from './file-download.ts';
import { mapConcurrently } from './parallel.ts';
import { describeNetworkError } from './request-errors.ts';
import { getRetryDelay, sleep, type Hub } from './requests.ts';

/** A file to read. The name of a dataset begins with `datasets/`. */
export interface RemoteFile {
  readonly repo: string;
  readonly commit: string;
  readonly file: HubFile;
  readonly signal: AbortSignal;
}

/** Bytes of one request, and requests at the same time. */
const pieceBytes = 1 << 23;
const maxConnections = 4;

/** Bytes `start` to `end` (exclusive) of a file. Refuses `hub/changed`, `hub/unreachable`, `cancelled`. */
export async function readFileRange(
  hub: Hub,
  remote: RemoteFile,
  start: number,
  end: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(end - start);
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, i) => i * pieceBytes);
  await mapConcurrently(pieces, maxConnections, (offset) =>
    readPiece(hub, remote, start + offset, bytes.subarray(offset, offset + pieceBytes)),
  );
  return bytes;
}

async function readPiece(hub: Hub, remote: RemoteFile, start: number, into: Uint8Array): Promise<void> {
  const { settings, retry } = hub;
  let done = 0;
  let failures = 0;
  while (done < into.length) {
    const before = done;
    try {
      for await (const chunk of streamFrom(hub, remote, start + done, start + into.length)) {
        into.set(chunk, done);
        done += chunk.length;
      }
      if (done < into.length) throw new TypeError('terminated');
    } catch (thrown) {
      if (remote.signal.aborted) throw createError('cancelled', { what: 'reading the dataset' });
      const why = describeNetworkError(thrown);
      if (why === undefined) throw thrown;
      failures = done > before ? 1 : failures + 1;
      if (failures >= retry.attempts)
        throw createError('hub/unreachable', { endpoint: settings.endpoint, why });
      await sleep(getRetryDelay(retry, failures), remote.signal);
    }
  }
}
