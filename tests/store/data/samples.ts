/** @file Text files, a tiny tokenizer and helpers for the tests of this folder. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LeftOut } from '../../../src-main/base/left-out.ts';
import { readDocuments as readParts } from '../../../src-main/store/data/documents.ts';
import {
  openTokens,
  tokenizeFiles,
  type TokenizedData,
  type TokenizeRequest,
} from '../../../src-main/store/data/tokenize.ts';
import { freePath, freshFolder } from '../../support/temporary.ts';
import { tinyVocab, writeTinyTokenizer } from '../../support/tiny.ts';

/** Parquet files, one per codec, with the columns id, text, body and score; `body` is `text` in upper case. */
export const parquetFixtures = join(import.meta.dirname, '../../fixtures/parquet');
/** The texts of the Parquet files. */
export const sampleTexts = ['the first', 'línea dos\n\nwith breaks', '🎉 a cat sat', 'the last one'];

export function writeTextFile(content: string | Uint8Array, extension = 'txt'): string {
  const path = join(freshFolder(), `text.${extension}`);
  writeFileSync(path, content);
  return path;
}

/** `count` lines of text. */
export const makeLines = (count: number): string =>
  Array.from({ length: count }, (_, i) => `Line ${i}: the thing in the über hat.`).join('\n');

/** A folder with a byte-level tokenizer. */
export const tokenizerDir = freshFolder();
writeTinyTokenizer(tokenizerDir);

export const cacheDir = freePath('cache');

/** `tokenizeFiles` with the tiny tokenizer. */
export const tokenize = (
  data: readonly string[],
  more: Partial<TokenizeRequest> = {},
): Promise<TokenizedData> => tokenizeFiles({ data, tokenizerDir, vocabSize: tinyVocab, cacheDir, ...more });

/** The documents of a file, each joined from its parts. */
export async function readDocuments(path: string, field?: string, leftOut?: LeftOut): Promise<string[]> {
  const documents: string[] = [];
  for await (const part of readParts(path, { field, ...(leftOut && { leftOut }) })) {
    if (part.isFirst) documents.push('');
    documents[documents.length - 1] += part.text;
  }
  return documents;
}

/** All tokens of these folders. */
export async function readAllTokens(
  folders: readonly string[],
  options?: { maxInMemory: number },
): Promise<{ ids: number[]; documentStarts: number[]; bytes: number }> {
  const tokens = await openTokens(folders, options);
  const ids = [...tokens.read(0, tokens.length)];
  const documentStarts = [...tokens.documentStarts];
  tokens.close();
  return { ids, documentStarts, bytes: tokens.bytes };
}
