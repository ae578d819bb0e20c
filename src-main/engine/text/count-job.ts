/** @file Counts the tokens of a text, as training reads it, up to a limit. */
import { refuse } from '../../base/errors.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import { chunkDocuments } from '../../store/data/chunks.ts';
import { findDataFiles, isTokenFile } from '../../store/data/dataset-files.ts';
import { readDocuments } from '../../store/data/documents.ts';
import { readTokenLayout } from '../../store/data/token-import.ts';
import { openTokenizer, readVocabRows, type TextTokenizer } from '../../store/data/tokenizer.ts';
import type { CountInput } from '../inputs.ts';
import { findTokenizerDir } from './tokenize-job.ts';

/**
 * Returns the tokens of each of the data. Counting one of them ends at `atLeast` tokens, so that a long text is not
 * read to its end. Throws what reading the text throws, and `cancelled`.
 */
export async function countTokens(
  { checkpoint, data, field, atLeast }: CountInput,
  signal: AbortSignalLike,
): Promise<readonly number[]> {
  const dir = await findTokenizerDir(checkpoint);
  const tokenizer = await openTokenizer(dir, await readVocabRows(dir));
  const counts: number[] = [];
  for (const path of data) {
    let tokens = 0;
    for (const file of await findDataFiles(path)) {
      if (tokens >= atLeast) break;
      if (isTokenFile(file)) tokens += (await readTokenLayout(file)).tokens;
      else tokens += await countFile(tokenizer, file, { field, atLeast: atLeast - tokens }, signal);
    }
    counts.push(tokens);
  }
  return counts;
}

async function countFile(
  tokenizer: TextTokenizer,
  file: string,
  { field, atLeast }: Pick<CountInput, 'field' | 'atLeast'>,
  signal: AbortSignalLike,
): Promise<number> {
  const { before, after, appended } = tokenizer.documentTokens;
  const around = before.length + after.length + appended.length;
  let tokens = 0;
  for await (const chunk of chunkDocuments(file, readDocuments(file, { field, signal }), tokenizer.canCut)) {
    if (signal.aborted) refuse('cancelled', { what: 'reading the text' });
    tokens += (await tokenizer.encodeChunks([chunk]))[0]!.length;
    if (chunk.isLast) tokens += around;
    if (tokens >= atLeast) break;
  }
  return tokens;
}
