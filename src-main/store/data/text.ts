/** @file Streams text files in constant memory, decompresses them, and checks that they are UTF-8. */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { extname } from 'node:path';
import { pipeline, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { createError, refuse } from '../../base/errors.ts';
import { toReadError } from '../fs/files.ts';

/** Bytes of one read. */
const blockBytes = 1 << 16;

const decompressors: Readonly<Record<string, () => Transform>> = {
  '.gz': createGunzip,
  '.zst': createZstdDecompress,
};

/**
 * Yields a file's text as it is read, decompressed according to its extension and without a byte order mark.
 * Calls `onBytes` with the bytes of the file. Refuses `file/not-text` with the byte offset when it is not
 * UTF-8 or holds a NUL.
 */
export async function* streamText(
  path: string,
  onBytes: (block: Uint8Array) => void,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  let incomplete: Buffer = Buffer.alloc(0);
  let offset = 0;
  const decode = (bytes: Buffer, isLast: boolean): string => {
    if (signal?.aborted) refuse('cancelled', { what: 'reading the text' });
    const all = incomplete.length > 0 ? Buffer.concat([incomplete, bytes]) : bytes;
    const end = isLast ? all.length : all.length - countIncompleteBytes(all);
    const complete = all.subarray(0, end);
    if (!isUtf8(complete) || complete.includes(0))
      refuse('file/not-text', { path, at: offset + findInvalidByte(complete) });
    const text = complete.toString('utf8');
    incomplete = Buffer.from(all.subarray(end));
    const hasByteOrderMark = offset === 0 && text.startsWith('\ufeff');
    offset += end;
    return hasByteOrderMark ? text.slice(1) : text;
  };
  for await (const bytes of streamBytes(path, onBytes)) {
    const text = decode(bytes, false);
    if (text !== '') yield text;
  }
  const text = decode(Buffer.alloc(0), true);
  if (text !== '') yield text;
}

/** Yields the bytes of a file, decompressed according to its extension. Refuses `file/unreadable`. */
async function* streamBytes(path: string, onBytes: (block: Uint8Array) => void): AsyncGenerator<Buffer> {
  const decompressor = decompressors[extname(path).toLowerCase()]?.();
  const file = createReadStream(path, { highWaterMark: blockBytes });
  file.on('data', (bytes) => {
    onBytes(bytes as Buffer);
  });
  // The callback of `pipeline` is required; its error is also thrown by the iteration below.
  const source: AsyncIterable<Buffer> = decompressor ? pipeline(file, decompressor, () => undefined) : file;
  try {
    yield* source;
  } catch (error) {
    const isSystemError = /^E[A-Z]+$/.test((error as NodeJS.ErrnoException).code ?? '');
    if (!decompressor || isSystemError) throw toReadError(path, error);
    const why = `it cannot be decompressed: ${(error as Error).message}`;
    throw createError('file/unreadable', { path, why });
  } finally {
    file.destroy();
  }
}

/** Reads a text file, at most `maxLength` characters of it. */
export async function readText(path: string, maxLength = Infinity): Promise<string> {
  let all = '';
  for await (const text of streamText(path, () => undefined)) {
    all += text;
    if (all.length >= maxLength) break;
  }
  return all.slice(0, maxLength);
}

/** Bytes at the end that belong to an incomplete UTF-8 character. */
function countIncompleteBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte >= 0xc0) return back < getCharacterLength(byte) ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
}

/** Bytes of a UTF-8 character, from its first byte. */
function getCharacterLength(firstByte: number): number {
  if (firstByte < 0x80) return 1;
  if (firstByte < 0xe0) return 2;
  return firstByte < 0xf0 ? 3 : 4;
}

/** Index of the first byte that is NUL or not UTF-8. */
function findInvalidByte(bytes: Buffer): number {
  for (let at = 0; at < bytes.length; at += getCharacterLength(bytes[at]!)) {
    const end = at + getCharacterLength(bytes[at]!);
    if (bytes[at] === 0 || !isUtf8(bytes.subarray(at, end))) return at;
  }
  return bytes.length;
}
