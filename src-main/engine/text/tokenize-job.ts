/** @file Lists the tokens of texts and documents, as training reads them. */
import { refuse } from '../../base/errors.ts';
import { noneLeftOut, type LeftOut } from '../../base/left-out.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { TokenizedDocument, TokenizeEvent } from '../../contract/text.ts';
import { findDataFiles } from '../../store/data/dataset-files.ts';
import { chunkDocuments, chunkText, type TextChunk } from '../../store/data/chunks.ts';
import { readDocuments } from '../../store/data/documents.ts';
import { openTokenizer, readVocabRows, type TextTokenizer } from '../../store/data/tokenizer.ts';
import { isRun } from '../../store/run/runs.ts';
import type { TokenizeInput } from '../inputs.ts';
import { newestModel } from '../train/step-checkpoint.ts';

/** The folder with the tokenizer of a checkpoint or of a run. */
export const findTokenizerDir = async (path: string): Promise<string> =>
  (await isRun(path)) ? newestModel(path) : path;

/** Yields the documents with their tokens, at most `limit` of them. Throws `data/empty`, `cancelled`. */
export async function* tokenize(
  { checkpoint, data, text, field, limit = Infinity }: TokenizeInput,
  signal: AbortSignalLike,
): AsyncGenerator<TokenizeEvent> {
  const dir = await findTokenizerDir(checkpoint);
  const tokenizer = await openTokenizer(dir, await readVocabRows(dir));
  const leftOut: LeftOut = { ...noneLeftOut };
  let documents = 0;
  if (text !== undefined) {
    const chunks = await chunkText(text.toWellFormed(), tokenizer.canCut);
    yield { type: 'document', document: await listTokens(tokenizer, chunks, null) };
    documents++;
  }
  const files = (await Promise.all((data ?? []).map(findDataFiles))).flat();
  for (const file of files) {
    if (documents >= limit) break;
    const parts = readDocuments(file, { field, signal, leftOut });
    for await (const chunks of groupDocuments(chunkDocuments(file, parts, tokenizer.canCut))) {
      if (signal.aborted) refuse('cancelled', { what: 'tokenizing' });
      yield { type: 'document', document: await listTokens(tokenizer, chunks, file) };
      documents++;
      if (documents >= limit) break;
    }
  }
  if (documents === 0)
    refuse('data/empty', {
      path: (data ?? []).join(', '),
      tokens: 0,
      needed: 1,
      leftOut: leftOut.missing + leftOut.empty,
    });
  yield { type: 'done', documents, leftOut, notes: tokenizer.notes };
}

async function* groupDocuments(chunks: AsyncIterable<TextChunk>): AsyncGenerator<TextChunk[]> {
  let document: TextChunk[] = [];
  for await (const chunk of chunks) {
    document.push(chunk);
    if (!chunk.isLast) continue;
    yield document;
    document = [];
  }
}

async function listTokens(
  tokenizer: TextTokenizer,
  chunks: readonly TextChunk[],
  file: string | null,
): Promise<TokenizedDocument> {
  const { before, after, appended } = tokenizer.documentTokens;
  const listed = await tokenizer.listChunkTokens(chunks);
  const toTexts = (ids: readonly number[]): string[] => ids.map((id) => tokenizer.getTokenText(id) ?? '');
  return {
    file,
    ids: [...before, ...listed.flatMap(({ ids }) => ids), ...after],
    tokens: [...toTexts(before), ...listed.flatMap(({ tokens }) => tokens), ...toTexts(after)],
    appended,
  };
}
