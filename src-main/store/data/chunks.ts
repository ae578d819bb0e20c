/**
 * @file Splits documents into chunks that can be tokenized one by one in constant memory. A document gives the
 * same chunks however its bytes arrive.
 */
import { refuse } from '../../base/errors.ts';
import { getDataFormat } from './dataset-files.ts';
import { readParquetDocuments } from './parquet.ts';
import { streamText } from './text.ts';

/** Part of the token cache's key. Change it whenever the chunks change. */
export const chunkingVersion = 'lines-1';

/** A chunk ends at the first suitable character from `minLength` on, and at `maxLength` at the latest. */
const minLength = 8192;
const maxLength = 65_536;

/**
 * The end of the first chunk of `text`, or 0 when more text is needed to decide. A chunk ends after a single
 * line break between two words, where tokenizers split too; else before a space.
 */
export function findChunkEnd(text: string, isLast: boolean): number {
  const isBetweenWords = (at: number): boolean => /\S/.test(text[at - 1]!) && /\S/.test(text[at + 1]!);
  let lineBreak = text.indexOf('\n', minLength);
  while (lineBreak >= 0 && lineBreak < maxLength && lineBreak + 1 < text.length) {
    if (isBetweenWords(lineBreak)) return lineBreak + 1;
    lineBreak = text.indexOf('\n', lineBreak + 1);
  }
  if (text.length <= maxLength + 1) return isLast ? Math.min(text.length, maxLength) : 0;
  for (let at = maxLength; at > minLength; at--) if (text[at] === ' ' && isBetweenWords(at)) return at;
  const splitsSurrogatePair = /[\ud800-\udbff]/.test(text[maxLength - 1]!);
  return splitsSurrogatePair ? maxLength - 1 : maxLength;
}

/** The chunks of one document. */
export function* splitIntoChunks(text: string): Generator<string> {
  for (let at = 0; at < text.length;) {
    const rest = text.slice(at, at + maxLength + 2);
    const end = at + findChunkEnd(rest, at + rest.length === text.length);
    yield text.slice(at, end);
    at = end;
  }
}

/** The JSON field or Parquet column with the text, unless another is given. */
export const defaultTextField = 'text';

export interface TextChunk {
  readonly text: string;
  /** True for the first and the last chunk of a document. */
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

export interface ReadOptions {
  readonly field?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Yields the chunks of all documents of a file: one document per line of .jsonl, one per row of .parquet, from
 * `field`; any other file is one document. Calls `onBytes` with the bytes of the file read so far.
 */
export async function* readDocumentChunks(
  path: string,
  onBytes: (done: number) => void,
  { field = defaultTextField, signal }: ReadOptions = {},
): AsyncGenerator<TextChunk> {
  let read = 0;
  const onBlock = (bytes: Uint8Array): void => {
    read += bytes.byteLength;
    onBytes(read);
  };
  const format = getDataFormat(path);
  if (format === '.parquet') yield* chunkDocuments(readParquetDocuments(path, field, onBytes, signal));
  else if (format === '.jsonl' || format === '.ndjson')
    yield* chunkDocuments(readJsonLines(path, field, onBlock, signal));
  else yield* chunkStream(streamText(path, onBlock, signal));
}

async function* chunkDocuments(documents: AsyncIterable<string>): AsyncGenerator<TextChunk> {
  for await (const text of documents) {
    let at = 0;
    for (const chunk of splitIntoChunks(text)) {
      yield { text: chunk, isFirst: at === 0, isLast: at + chunk.length === text.length };
      at += chunk.length;
    }
  }
}

/** Chunks of one document whose text arrives in parts. */
async function* chunkStream(parts: AsyncIterable<string>): AsyncGenerator<TextChunk> {
  let rest = '';
  let isFirst = true;
  for await (const part of parts) {
    rest += part;
    let at = 0;
    for (;;) {
      const length = findChunkEnd(at === 0 ? rest : rest.slice(at, at + maxLength + 2), false);
      if (length === 0) break;
      yield { text: rest.slice(at, at + length), isFirst, isLast: false };
      isFirst = false;
      at += length;
    }
    rest = rest.slice(at);
  }
  const chunks = [...splitIntoChunks(rest)];
  for (const [i, text] of chunks.entries())
    yield { text, isFirst: isFirst && i === 0, isLast: i === chunks.length - 1 };
}

/** Yields the texts of a .jsonl file. Refuses `data/bad-line`. */
async function* readJsonLines(
  path: string,
  field: string,
  onBytes: (block: Uint8Array) => void,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  let rest = '';
  let number = 0;
  for await (const part of streamText(path, onBytes, signal)) {
    const lines = (rest + part).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      number++;
      const text = readTextField(path, field, line, number);
      if (text !== '') yield text;
    }
  }
  const text = readTextField(path, field, rest, number + 1);
  if (text !== '') yield text;
}

/** The text of one line. Lone surrogates, which JSON can escape, become U+FFFD. */
function readTextField(path: string, field: string, line: string, number: number): string {
  if (line.trim() === '') return '';
  const refuseLine = (why: string): never => refuse('data/bad-line', { path, line: number, why });
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    return refuseLine(`it is not JSON (${(error as Error).message})`);
  }
  const text = (value as Readonly<Record<string, unknown>> | null)?.[field];
  return typeof text === 'string'
    ? text.toWellFormed()
    : refuseLine(`it has no "${field}" field that is text`);
}
