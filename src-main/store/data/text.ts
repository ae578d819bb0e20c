/**
 * @file Text files as documents, and documents as pieces that can be encoded one by one: constant memory, and
 * the same pieces however the bytes arrive.
 */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { extname } from 'node:path';
import { pipeline, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { appError, refuse } from '../../base/errors.ts';
import { readFailure } from '../fs/files.ts';
import { parquetDocuments } from './parquet.ts';
import { formatOf } from './sources.ts';

/** Part of the cache's key: change it whenever the pieces change. */
export const splitRule = 'lines-1';

/** Characters of a piece: the first good place at or after `target` ends it, and `longest` at the latest. */
const target = 8192;
const longest = 65_536;
const block = 1 << 16;

/**
 * Where the first piece of `text` ends, or 0 when more text is needed to tell. A single line break between
 * two words is a border that tokenizers respect; then a space before a word.
 */
export function cutOf(text: string, last: boolean): number {
  for (
    let at = text.indexOf('\n', target);
    at >= 0 && at < longest && at + 1 < text.length;
    at = text.indexOf('\n', at + 1)
  )
    if (/\S/.test(text[at - 1]!) && /\S/.test(text[at + 1]!)) return at + 1;
  if (text.length <= longest + 1) return last ? Math.min(text.length, longest) : 0;
  for (let at = longest; at > target; at--)
    if (text[at] === ' ' && /\S/.test(text[at - 1]!) && /\S/.test(text[at + 1]!)) return at;
  return /[\ud800-\udbff]/.test(text[longest - 1]!) ? longest - 1 : longest;
}

/** The pieces of one document. */
export function* piecesOf(text: string): Generator<string> {
  for (let at = 0; at < text.length;) {
    const rest = text.slice(at, at + longest + 2);
    const end = at + cutOf(rest, at + rest.length === text.length);
    yield text.slice(at, end);
    at = end;
  }
}

const unpackers: Readonly<Record<string, () => Transform>> = {
  '.gz': createGunzip,
  '.zst': createZstdDecompress,
};

/**
 * A file's text as it arrives, unpacked where its name says that it is packed; `onBytes` hears the bytes of
 * the file. Bytes that are not UTF-8, and NUL, are refused with their place. A byte order mark is dropped.
 */
export async function* textOf(
  path: string,
  onBytes: (block: Uint8Array) => void,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  let kept: Buffer = Buffer.alloc(0);
  let at = 0;
  const taken = (bytes: Buffer, last: boolean): string => {
    if (signal?.aborted) refuse('cancelled', { what: 'reading the text' });
    const all = kept.length > 0 ? Buffer.concat([kept, bytes]) : bytes;
    const end = last ? all.length : all.length - openEnd(all);
    const whole = all.subarray(0, end);
    const nul = whole.indexOf(0);
    if (!isUtf8(whole) || nul >= 0) refuse('file/not-text', { path, at: at + firstBad(whole) });
    const text = whole.toString('utf8');
    kept = Buffer.from(all.subarray(end));
    const first = at === 0 && text.startsWith('\ufeff');
    at += end;
    return first ? text.slice(1) : text;
  };
  for await (const bytes of unpacked(path, onBytes)) {
    const text = taken(bytes, false);
    if (text !== '') yield text;
  }
  const text = taken(Buffer.alloc(0), true);
  if (text !== '') yield text;
}

/** The bytes of a file, or of what it holds packed. Refuses a packed file that is damaged. */
async function* unpacked(path: string, onBytes: (block: Uint8Array) => void): AsyncGenerator<Buffer> {
  const unpack = unpackers[extname(path).toLowerCase()]?.();
  const file = createReadStream(path, { highWaterMark: block });
  file.on('data', (bytes) => {
    onBytes(bytes as Buffer);
  });
  // its failure is thrown to who reads
  const source: AsyncIterable<Buffer> = unpack ? pipeline(file, unpack, () => undefined) : file;
  try {
    yield* source;
  } catch (error) {
    throw unpack && !/^E[A-Z]+$/.test((error as NodeJS.ErrnoException).code ?? '')
      ? appError('file/unreadable', { path, why: `it cannot be unpacked: ${(error as Error).message}` })
      : readFailure(path, error);
  } finally {
    file.destroy();
  }
}

/** The first characters of a text file, at most `most`. */
export async function readText(path: string, most = Infinity): Promise<string> {
  let all = '';
  for await (const text of textOf(path, () => undefined)) if ((all += text).length >= most) break;
  return all.slice(0, most);
}

/** How many bytes at the end belong to a character that is not whole yet. */
function openEnd(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte >= 0xc0) return back < lengthOf(byte) ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
}
const lengthOf = (lead: number): number => (lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);

function firstBad(bytes: Buffer): number {
  for (let at = 0; at < bytes.length; at += lengthOf(bytes[at]!))
    if (bytes[at] === 0 || !isUtf8(bytes.subarray(at, at + lengthOf(bytes[at]!)))) return at;
  return bytes.length;
}

/** Where a document's text is in a line or a table. */
export const usualField = 'text';

const isJsonLines = (path: string): boolean => ['.jsonl', '.ndjson'].includes(formatOf(path));

/** One piece of a document; `first` and `last` mark its ends. */
export interface Piece {
  readonly text: string;
  readonly first: boolean;
  readonly last: boolean;
}

/**
 * All pieces of all documents of a file: a .jsonl file has one document a line, a .parquet file one a row, in
 * `field`; any other file is one document. `onBytes` hears how much of the file is read.
 */
export async function* documentPieces(
  path: string,
  onBytes: (done: number) => void,
  {
    field = usualField,
    signal,
  }: { readonly field?: string | undefined; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Piece> {
  let read = 0;
  const onBlock = (bytes: Uint8Array): void => {
    onBytes((read += bytes.byteLength));
  };
  const isTable = formatOf(path) === '.parquet';
  if (isTable || isJsonLines(path)) {
    for await (const text of isTable
      ? parquetDocuments(path, field, onBytes, signal)
      : documentsOf(path, field, onBlock, signal)) {
      let at = 0;
      for (const piece of piecesOf(text)) {
        yield { text: piece, first: at === 0, last: at + piece.length === text.length };
        at += piece.length;
      }
    }
    return;
  }
  let kept = '';
  let first = true;
  for await (const text of textOf(path, onBlock, signal)) {
    kept += text;
    let at = 0;
    for (let cut = cutOf(kept, false); cut > 0; cut = cutOf(kept.slice(at, at + longest + 2), false)) {
      yield { text: kept.slice(at, at + cut), first, last: false };
      first = false;
      at += cut;
    }
    kept = kept.slice(at);
  }
  const pieces = [...piecesOf(kept)];
  for (const [i, text] of pieces.entries())
    yield { text, first: first && i === 0, last: i === pieces.length - 1 };
}

async function* documentsOf(
  path: string,
  field: string,
  onBytes: (block: Uint8Array) => void,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  let kept = '';
  let line = 0;
  for await (const text of textOf(path, onBytes, signal)) {
    const lines = (kept + text).split('\n');
    kept = lines.pop()!;
    for (const one of lines) {
      const found = textField(path, field, one, ++line);
      if (found !== '') yield found;
    }
  }
  const found = textField(path, field, kept, line + 1);
  if (found !== '') yield found;
}

/** The text of one line; half characters that JSON can spell become U+FFFD. */
function textField(path: string, field: string, line: string, number: number): string {
  if (line.trim() === '') return '';
  const bad = (why: string): never => refuse('data/bad-line', { path, line: number, why });
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    return bad(`it is not JSON (${(error as Error).message})`);
  }
  const text = (value as Readonly<Record<string, unknown>> | null)?.[field];
  return typeof text === 'string' ? text.toWellFormed() : bad(`it has no "${field}" field that is text`);
}
