/**
 * @file Reads token files. A file is a header of 256 int32 values (magic number 278895051, version 1, tokens,
 * bytes per token), then the tokens as uint16 or uint32.
 */
import { createHash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { refuse } from '../../base/errors.ts';
import { leftOutSchema, type LeftOut } from '../../base/left-out.ts';
import { countUpTo } from '../../base/sorted.ts';
import {
  openRegularFileSync,
  readJsonObject,
  readOrRefuse,
  readRegularFile,
  readRegularFileSync,
} from '../fs/files.ts';

export const tokenFileMagic = 278_895_051;
/** Number of int32 values in the header. */
export const headerLength = 256;
const headerBytes = headerLength * 4;
/** The header stores the number of tokens as int32. */
export const maxTokensPerFile = 2 ** 31 - 1;

/** tokens.json: describes a folder of tokens. */
export interface TokenSummary {
  readonly version: 2;
  /** Path of the text file. */
  readonly text: string;
  /** SHA-256 of the text file. */
  readonly sha256: string;
  /** Hash of the tokenizer. */
  readonly tokenizer: string;
  /** Version of the rule that splits documents into chunks. */
  readonly rule: string;
  /** The library that made the tokens; null in version 1, which used another one. */
  readonly library: { readonly name: string; readonly version: string } | null;
  /** Records without the field, and with an empty one; null in version 1, which did not count them. */
  readonly leftOut: LeftOut | null;
  /** Bytes per token. */
  readonly width: 2 | 4;
  readonly tokens: number;
  readonly documents: number;
  /** Size of the text as UTF-8. */
  readonly bytes: number;
  readonly parts: readonly { readonly file: string; readonly tokens: number }[];
}

const count = z.number().int().nonnegative();
const commonFields = {
  text: z.string(),
  sha256: z.string(),
  tokenizer: z.string(),
  rule: z.string(),
  width: z.union([z.literal(2), z.literal(4)]),
  tokens: count,
  documents: count,
  bytes: count,
  parts: z.array(z.object({ file: z.string(), tokens: count })),
};
const summarySchema = z.discriminatedUnion('version', [
  z.object({ version: z.literal(1), ...commonFields }),
  z.object({
    version: z.literal(2),
    ...commonFields,
    library: z.object({ name: z.string(), version: z.string() }),
    leftOut: leftOutSchema,
  }),
]);

/** The tokens of one or several folders as one sequence. */
export interface Tokens {
  readonly length: number;
  /** Size of the text as UTF-8. */
  readonly bytes: number;
  /** SHA-256 of the files that the tokens come from, in their order. */
  readonly textHash: string;
  /** Index of the first token of each document, ascending. */
  readonly documentStarts: Float64Array;
  /** Reads `length` tokens from token `start` on, into `into` when given. */
  read(start: number, length: number, into?: Int32Array): Int32Array;
  /** The document index of each of `length` tokens from token `start` on. */
  readDocumentIds(start: number, length: number, into?: Int32Array): Int32Array;
  close(): void;
}

/** Smaller files are kept in memory; larger ones are read from disk. */
const defaultMaxInMemory = 2 ** 30;

interface Part {
  /** Index of its first token in the whole sequence. */
  readonly firstToken: number;
  readonly tokens: number;
  read(start: number, into: Int32Array): void;
  close(): void;
}

/** Opens the tokens of one or several folders. Refuses `data/tokens-damaged`. */
export async function openTokens(
  folders: readonly string[],
  options: { readonly maxInMemory?: number } = {},
): Promise<Tokens> {
  const { maxInMemory = defaultMaxInMemory } = options;
  const parts: Part[] = [];
  const starts: Float64Array[] = [];
  let length = 0;
  let bytes = 0;
  const textHash = createHash('sha256');
  try {
    for (const folder of folders) {
      const summary = await readTokenSummary(folder);
      textHash.update(`${summary.sha256}\n`);
      const firstToken = length;
      starts.push((await readDocumentStarts(folder, summary)).map((start) => start + firstToken));
      for (const { file, tokens } of summary.parts) {
        parts.push(await openPart(join(folder, file), length, tokens, summary.width, maxInMemory));
        length += tokens;
      }
      bytes += summary.bytes;
    }
  } catch (error) {
    for (const part of parts) part.close();
    throw error;
  }
  const documentStarts = concatenate(starts);
  return {
    length,
    bytes,
    textHash: textHash.digest('hex'),
    documentStarts,
    readDocumentIds(start, count, into = new Int32Array(count)) {
      let document = Math.max(0, countUpTo(documentStarts, start) - 1);
      for (let i = 0; i < count; i++) {
        while (document + 1 < documentStarts.length && documentStarts[document + 1]! <= start + i) document++;
        into[i] = document;
      }
      return into;
    },
    read(start, count, into = new Int32Array(count)) {
      if (start < 0 || count < 0 || start + count > length || into.length !== count)
        throw new RangeError(`no tokens ${start} to ${start + count} of ${length}`);
      for (const part of parts) {
        const from = Math.max(start, part.firstToken);
        const to = Math.min(start + count, part.firstToken + part.tokens);
        if (from < to) part.read(from - part.firstToken, into.subarray(from - start, to - start));
      }
      return into;
    },
    close() {
      for (const part of parts) part.close();
    },
  };
}

/** Reads tokens.json of a folder. Refuses `data/tokens-damaged`. */
export async function readTokenSummary(folder: string): Promise<TokenSummary> {
  const path = join(folder, 'tokens.json');
  const parsed = summarySchema.safeParse(await readJsonObject(path));
  const summary = parsed.data;
  if (!summary || summary.parts.reduce((n, part) => n + part.tokens, 0) !== summary.tokens)
    return refuse('data/tokens-damaged', { path, why: 'its summary does not add up' });
  return summary.version === 1 ? { ...summary, version: 2, library: null, leftOut: null } : summary;
}

async function readDocumentStarts(folder: string, { documents }: TokenSummary): Promise<Float64Array> {
  const path = join(folder, 'documents.bin');
  const bytes = await readRegularFile(path);
  checkSize(path, bytes.byteLength, documents * 8);
  return new Float64Array(new Uint8Array(bytes).buffer);
}

function checkSize(path: string, size: number, expected: number): void {
  if (size === expected) return;
  refuse('data/tokens-damaged', { path, why: `it is ${size} bytes long, not ${expected}` });
}

async function openPart(
  path: string,
  firstToken: number,
  tokens: number,
  width: 2 | 4,
  maxInMemory: number,
): Promise<Part> {
  const { size } = await readOrRefuse(path, () => stat(path));
  checkSize(path, size, headerBytes + tokens * width);
  const part = size < maxInMemory ? openInMemory(path) : openOnDisk(path);
  const header = new Int32Array(part.read(0, 16).buffer, 0, 4);
  if ([tokenFileMagic, 1, tokens, width].some((value, i) => header[i] !== value)) {
    part.close();
    refuse('data/tokens-damaged', { path, why: 'its header does not fit its summary' });
  }
  return {
    firstToken,
    tokens,
    read(start, into) {
      const bytes = part.read(headerBytes + start * width, into.length * width);
      const { buffer, byteOffset } = bytes;
      into.set(
        width === 2
          ? new Uint16Array(buffer, byteOffset, into.length)
          : new Uint32Array(buffer, byteOffset, into.length),
      );
    },
    close: () => {
      part.close();
    },
  };
}

interface ByteReader {
  /** Bytes from `start` on, at a multiple of 4 in their buffer when `start` is one. */
  read(start: number, length: number): Uint8Array;
  close(): void;
}

function openInMemory(path: string): ByteReader {
  const bytes = new Uint8Array(readRegularFileSync(path));
  return { read: (start, length) => bytes.subarray(start, start + length), close: () => undefined };
}

function openOnDisk(path: string): ByteReader {
  const descriptor = openRegularFileSync(path);
  return {
    read(start, length) {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length;) {
        const read = readSync(descriptor, bytes, done, length - done, start + done);
        if (read === 0) refuse('data/tokens-damaged', { path, why: 'it ends too early' });
        done += read;
      }
      return bytes;
    },
    close() {
      closeSync(descriptor);
    },
  };
}

function concatenate(parts: readonly Float64Array[]): Float64Array {
  const out = new Float64Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
