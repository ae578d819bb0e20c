/** @file Streams text files in constant memory and checks that they are UTF-8. */
import { isUtf8 } from 'node:buffer';
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import { streamBytes, type ByteOptions } from './decompress.ts';

/** U+FEFF, which some programs write at the start of a text. */
const byteOrderMark = '\ufeff';

export interface TextOptions extends ByteOptions {
  readonly signal?: AbortSignalLike | undefined;
}

/**
 * Yields a file's text as it is read, unpacked, and without a byte order mark at its start. Refuses
 * `file/utf-16`, and `file/not-text` with the byte offset when it is not UTF-8 or holds a NUL.
 */
export async function* streamText(path: string, options: TextOptions = {}): AsyncGenerator<string> {
  let incomplete: Buffer = Buffer.alloc(0);
  let offset = 0;
  const decode = (bytes: Buffer, isLast: boolean): string => {
    if (options.signal?.aborted) refuse('cancelled', { what: 'reading the text' });
    const all = incomplete.length > 0 ? Buffer.concat([incomplete, bytes]) : bytes;
    const end = isLast ? all.length : all.length - countIncompleteBytes(all);
    const complete = all.subarray(0, end);
    if (!isUtf8(complete) || complete.includes(0)) {
      const encoding = offset === 0 ? findWideEncoding(complete) : undefined;
      if (encoding !== undefined) refuse('file/utf-16', { path, encoding });
      refuse('file/not-text', { path, at: offset + findInvalidByte(complete) });
    }
    const text = complete.toString('utf8');
    incomplete = Buffer.from(all.subarray(end));
    const startsWithMark = offset === 0 && text.startsWith(byteOrderMark);
    offset += end;
    return startsWithMark ? text.slice(1) : text;
  };
  for await (const bytes of streamBytes(path, options)) {
    const text = decode(bytes, false);
    if (text !== '') yield text;
  }
  const text = decode(Buffer.alloc(0), true);
  if (text !== '') yield text;
}

/** Reads a text file, at most `maxLength` characters of it. */
export async function readText(path: string, maxLength = Infinity): Promise<string> {
  let all = '';
  for await (const text of streamText(path)) {
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

/** UTF-16 or UTF-32, by the byte order mark or by the places of the zeros; else undefined. */
function findWideEncoding(start: Buffer): string | undefined {
  const mark = start.toString('hex', 0, 4);
  if (mark === 'fffe0000' || mark === '0000feff') return 'UTF-32';
  if (mark.startsWith('fffe') || mark.startsWith('feff')) return 'UTF-16';
  const sample = start.subarray(0, 1024);
  const zeros = [0, 0];
  for (let at = 0; at < sample.length; at++) if (sample[at] === 0) zeros[at % 2]!++;
  const [even, odd] = zeros as [number, number];
  const isWide = Math.max(even, odd) > 0.3 * sample.length && Math.min(even, odd) < 0.02 * sample.length;
  return isWide ? 'UTF-16' : undefined;
}
