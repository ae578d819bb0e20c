/** @file Text files as documents, and documents as pieces that can be encoded one by one: constant memory, and the same pieces however the bytes arrive. */
import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import { refuse } from '../base/errors.ts';
import { reading } from './files.ts';

/** Part of the cache's key: change it whenever the pieces change. */
export const splitRule = 'lines-1';

/** Characters of a piece: the first good place at or after `target` ends it, and `longest` at the latest. */
const target = 8192, longest = 65_536;
const block = 1 << 16;

/** Where the first piece of `text` ends, or 0 when more text is needed to tell. A single line break between two words is a border that tokenizers respect; then a space before a word. */
export function cutOf(text: string, last: boolean): number {
  for (let at = text.indexOf('\n', target); at >= 0 && at < longest && at + 1 < text.length; at = text.indexOf('\n', at + 1))
    if (/\S/.test(text[at - 1]!) && /\S/.test(text[at + 1]!)) return at + 1;
  if (text.length <= longest + 1) return last ? Math.min(text.length, longest) : 0;
  for (let at = longest; at > target; at--)
    if (text[at] === ' ' && /\S/.test(text[at - 1]!) && /\S/.test(text[at + 1]!)) return at;
  return /[\ud800-\udbff]/.test(text[longest - 1]!) ? longest - 1 : longest;
}

/** The pieces of one document. */
export function* piecesOf(text: string): Generator<string> {
  for (let at = 0; at < text.length;) {
    const rest = text.slice(at, at + longest + 2), end = at + cutOf(rest, at + rest.length === text.length);
    yield text.slice(at, end);
    at = end;
  }
}

/** A file's text as it arrives, and how many bytes are read; bytes that are not UTF-8, and NUL, are refused with their place. A byte order mark is dropped. */
export async function* textOf(path: string, onBytes: (block: Uint8Array) => void, signal?: AbortSignal): AsyncGenerator<string> {
  const file = await reading(path, () => open(path, 'r'));
  try {
    let kept: Buffer = Buffer.alloc(0), at = 0;
    const fresh = Buffer.allocUnsafe(block);
    for (;;) {
      if (signal?.aborted) refuse('cancelled', { what: 'reading the text' });
      const { bytesRead } = await reading(path, () => file.read(fresh, 0, block, null));
      const bytes = fresh.subarray(0, bytesRead), all = kept.length > 0 ? Buffer.concat([kept, bytes]) : bytes;
      const end = bytesRead === 0 ? all.length : all.length - openEnd(all), whole = all.subarray(0, end);
      const nul = whole.indexOf(0);
      if (!isUtf8(whole) || nul >= 0) refuse('file/not-text', { path, at: at + firstBad(whole) });
      onBytes(bytes);
      const text = whole.toString('utf8');
      kept = Buffer.from(all.subarray(end));
      if (text !== '') yield at === 0 && text.startsWith('\ufeff') ? text.slice(1) : text;
      at += end;
      if (bytesRead === 0) return;
    }
  } finally {
    await file.close();
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

export const isJsonLines = (path: string): boolean => ['.jsonl', '.ndjson'].includes(extname(path).toLowerCase());

/** One piece of a document; `first` and `last` mark its ends. */
export interface Piece { readonly text: string; readonly first: boolean; readonly last: boolean }

/** All pieces of all documents of a file: a .jsonl file has one document a line, any other file is one document. */
export async function* documentPieces(path: string, onBytes: (block: Uint8Array) => void, signal?: AbortSignal): AsyncGenerator<Piece> {
  if (isJsonLines(path)) {
    for await (const text of documentsOf(path, onBytes, signal)) {
      let at = 0;
      for (const piece of piecesOf(text)) { yield { text: piece, first: at === 0, last: at + piece.length === text.length }; at += piece.length; }
    }
    return;
  }
  let kept = '', first = true;
  for await (const text of textOf(path, onBytes, signal)) {
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
  for (const [i, text] of pieces.entries()) yield { text, first: first && i === 0, last: i === pieces.length - 1 };
}

async function* documentsOf(path: string, onBytes: (block: Uint8Array) => void, signal?: AbortSignal): AsyncGenerator<string> {
  let kept = '', line = 0;
  for await (const text of textOf(path, onBytes, signal)) {
    const lines = (kept + text).split('\n');
    kept = lines.pop()!;
    for (const one of lines) { const found = textField(path, one, ++line); if (found !== '') yield found; }
  }
  const found = textField(path, kept, line + 1);
  if (found !== '') yield found;
}

/** The text of one line; half characters that JSON can spell become U+FFFD. */
function textField(path: string, line: string, number: number): string {
  if (line.trim() === '') return '';
  const bad = (why: string): never => refuse('data/bad-line', { path, line: number, why });
  let value: unknown;
  try { value = JSON.parse(line); } catch (error) { return bad(`it is not JSON (${(error as Error).message})`); }
  const text = (value as { text?: unknown } | null)?.text;
  return typeof text === 'string' ? Buffer.from(text).toString() : bad('it has no "text" field that is text');
}
