/**
 * @file Token files and windows into them. Layout of one: int32[256] header [278895051, 1, tokens, bytes per
 * token], then uint16 or uint32 tokens.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { countUpTo } from '../../base/sorted.ts';
import { readFailure, readObject } from '../fs/files.ts';

export const magic = 278_895_051;
export const headerInts = 256;
export const mostTokens = 2 ** 31 - 1;

/** tokens.json: what a folder of tokens holds. `bytes` are of the text, as UTF-8. */
export interface TokenSummary {
  readonly version: 1;
  readonly text: string;
  readonly sha256: string;
  readonly tokenizer: string;
  readonly rule: string;
  readonly width: 2 | 4;
  readonly tokens: number;
  readonly documents: number;
  readonly bytes: number;
  readonly parts: readonly { readonly file: string; readonly tokens: number }[];
}

export interface Tokens {
  readonly length: number;
  /** Bytes of the text that the tokens stand for. */
  readonly bytes: number;
  /** First token of each document, ascending. */
  readonly documents: Float64Array;
  /** `length` tokens from token `start` on; into `into` when given. */
  read(start: number, length: number, into?: Int32Array): Int32Array;
  /** The numbers of the documents that `length` tokens from token `start` on belong to. */
  documentsOf(start: number, length: number, into?: Int32Array): Int32Array;
  close(): void;
}

/** A file below this many bytes is kept in memory; a larger one is read where it lies. */
const small = 2 ** 30;

interface Part {
  readonly first: number;
  readonly tokens: number;
  read(start: number, into: Int32Array): void;
  close(): void;
}

/** The tokens of one or several folders, one after the other. */
export async function openTokens(
  folders: readonly string[],
  options: { readonly small?: number } = {},
): Promise<Tokens> {
  const parts: Part[] = [];
  const documents: Float64Array[] = [];
  let length = 0;
  let bytes = 0;
  try {
    for (const folder of folders) {
      const summary = await summaryOf(folder);
      const from = length;
      documents.push((await documentStarts(folder, summary)).map((start) => start + from));
      for (const { file, tokens } of summary.parts) {
        parts.push(await openPart(join(folder, file), length, tokens, summary.width, options.small ?? small));
        length += tokens;
      }
      bytes += summary.bytes;
    }
  } catch (error) {
    for (const part of parts) part.close();
    throw error;
  }
  const starts = joined(documents);
  return {
    length,
    bytes,
    documents: starts,
    documentsOf(start, count, into = new Int32Array(count)) {
      let at = Math.max(0, countUpTo(starts, start) - 1);
      for (let i = 0; i < count; i++) {
        while (at + 1 < starts.length && starts[at + 1]! <= start + i) at++;
        into[i] = at;
      }
      return into;
    },
    read(start, count, into = new Int32Array(count)) {
      if (start < 0 || count < 0 || start + count > length || into.length !== count)
        throw new RangeError(`no tokens ${start} to ${start + count} of ${length}`);
      for (const part of parts) {
        const from = Math.max(start, part.first);
        const to = Math.min(start + count, part.first + part.tokens);
        if (from < to) part.read(from - part.first, into.subarray(from - start, to - start));
      }
      return into;
    },
    close() {
      for (const part of parts) part.close();
    },
  };
}

/** tokens.json of a folder. */
export async function summaryOf(folder: string): Promise<TokenSummary> {
  const path = join(folder, 'tokens.json');
  const summary = (await readObject(path)) as unknown as TokenSummary;
  if (
    summary.version !== 1 ||
    !Array.isArray(summary.parts) ||
    summary.parts.reduce((n, part) => n + part.tokens, 0) !== summary.tokens
  )
    return refuse('data/tokens-damaged', { path, why: 'its summary does not add up' });
  return summary;
}

async function documentStarts(folder: string, summary: TokenSummary): Promise<Float64Array> {
  const path = join(folder, 'documents.bin');
  const bytes = await readFile(path).catch((error: unknown) => {
    throw readFailure(path, error);
  });
  if (bytes.byteLength !== summary.documents * 8)
    refuse('data/tokens-damaged', {
      path,
      why: `it is ${bytes.byteLength} bytes long, not ${summary.documents * 8}`,
    });
  return new Float64Array(new Uint8Array(bytes).buffer);
}

async function openPart(
  path: string,
  first: number,
  tokens: number,
  width: 2 | 4,
  most: number,
): Promise<Part> {
  const bytes = headerInts * 4 + tokens * width;
  const { size } = await stat(path).catch((error: unknown) => {
    throw readFailure(path, error);
  });
  if (size !== bytes) refuse('data/tokens-damaged', { path, why: `it is ${size} bytes long, not ${bytes}` });
  const held = size < most ? new Uint8Array(readFileSync(path)) : undefined;
  const fd = held ? -1 : openSync(path, 'r');
  const head = held ?? new Uint8Array(16);
  if (!held) fill(fd, path, 0, head);
  const [mark, version, count, wide] = new Int32Array(head.buffer, 0, 4);
  if (mark !== magic || version !== 1 || count !== tokens || wide !== width) {
    if (!held) closeSync(fd);
    refuse('data/tokens-damaged', { path, why: 'its header does not fit its summary' });
  }
  const view = (buffer: ArrayBufferLike, offset: number, length: number): Uint16Array | Uint32Array =>
    width === 2 ? new Uint16Array(buffer, offset, length) : new Uint32Array(buffer, offset, length);
  return {
    first,
    tokens,
    read(start, into) {
      if (held) {
        into.set(view(held.buffer, headerInts * 4 + start * width, into.length));
        return;
      }
      const some = new Uint8Array(into.length * width);
      fill(fd, path, headerInts * 4 + start * width, some);
      into.set(view(some.buffer, 0, into.length));
    },
    close() {
      if (!held) closeSync(fd);
    },
  };
}

function fill(fd: number, path: string, start: number, into: Uint8Array): void {
  for (let done = 0; done < into.byteLength;) {
    const read = readSync(fd, into, done, into.byteLength - done, start + done);
    if (read === 0) refuse('data/tokens-damaged', { path, why: 'it ends too early' });
    done += read;
  }
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const out = new Float64Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
