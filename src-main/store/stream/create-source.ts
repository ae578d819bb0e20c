/** @file Decides once what a stream reads, and takes the rows that it is evaluated on. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { formatDatasetName } from '../../base/dataset-name.ts';
import { refuse } from '../../base/errors.ts';
import { noneLeftOut } from '../../base/left-out.ts';
import type { TextFilter } from '../../base/text-filter.ts';
import { chunkText, chunkingVersion } from '../data/chunks.ts';
import type { DocumentPart } from '../data/documents.ts';
import { maxTokensPerFile } from '../data/token-files.ts';
import { writeDocuments } from '../data/token-writer.ts';
import { tokenizerLibrary, type TextTokenizer } from '../data/tokenizer.ts';
import { exists, makeFolder, writeJson, writeOrRefuse } from '../fs/files.ts';
import { writeFolder } from '../fs/folder.ts';
import { openSplit, readSplit, type SplitRequest } from '../hub/open-split.ts';
import { sourceFile } from './block-store.ts';
import { widthOf, type HeldOutRows, type StreamSource } from './source.ts';

export interface SourceRequest extends SplitRequest {
  readonly tokenizer: TextTokenizer;
  readonly vocabSize: number;
}

export interface StreamRequest extends SourceRequest {
  readonly folder: string;
  readonly seed: number;
  readonly filter: TextFilter;
  readonly blockTokens: number;
  /** Tokens to evaluate on, of rows that are never trained on; 0: none. */
  readonly heldOutTokens: number;
}

export const heldOutFolder = (folder: string): string => join(folder, 'held-out');

/** Writes the folder of a stream: held-out tokens, then stream.json. */
export async function createSource(request: StreamRequest): Promise<StreamSource> {
  const { folder, dataset: name, column, tokenizer, vocabSize, seed, filter, blockTokens } = request;
  const { dataset, files, open } = await openSplit(request);
  await writeOrRefuse(folder, () => makeFolder(folder));
  let heldOut: HeldOutRows | null = null;
  if (request.heldOutTokens > 0) {
    const file = files.length - 1;
    const values = await (await open(file)).readColumn(0, column);
    const firstHalf = toIterable(values.slice(0, Math.floor(values.length / 2)));
    const taken = await takeTexts(firstHalf, request, request.heldOutTokens);
    heldOut = { file, group: 0, rows: taken.rows };
    await writeTexts(heldOutFolder(folder), `${formatDatasetName(name)}, held out`, taken.texts, request);
  }
  const source: StreamSource = {
    version: 1,
    name: formatDatasetName(name),
    repo: `datasets/${dataset.repo}`,
    commit: dataset.commit,
    files,
    column,
    seed,
    filter,
    tokenizer: tokenizer.hash,
    vocabSize,
    blockTokens,
    heldOut,
  };
  await writeJson(join(folder, sourceFile), source);
  return source;
}

/** Writes the first `tokens` tokens of a dataset into a folder of tokens, unless it is there. */
export async function fetchValidation(request: SourceRequest, folder: string, tokens: number): Promise<void> {
  if (await exists(join(folder, 'tokens.json'))) return;
  const rows = readSplit(await openSplit(request), request.column);
  const { texts } = await takeTexts(rows, request, tokens);
  await writeTexts(folder, formatDatasetName(request.dataset), texts, request);
}

async function* toIterable<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

/** The texts of the first rows with `tokens` tokens, and how many rows that are. */
async function takeTexts(
  rows: AsyncIterable<unknown>,
  { tokenizer, signal }: SourceRequest,
  tokens: number,
): Promise<{ readonly texts: readonly string[]; readonly rows: number }> {
  const texts: string[] = [];
  let taken = 0;
  let count = 0;
  for await (const value of rows) {
    if (signal.aborted) refuse('cancelled', { what: 'reading the dataset' });
    taken++;
    if (typeof value !== 'string' || value === '') continue;
    const text = value.toWellFormed();
    texts.push(text);
    const ids = await tokenizer.encodeChunks(await chunkText(text, tokenizer.canCut));
    for (const some of ids) count += some.length;
    if (count >= tokens) break;
  }
  return { texts, rows: taken };
}

function hashTexts(texts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(`${Buffer.byteLength(text)}\n`).update(text);
  return hash.digest('hex');
}

async function writeTexts(
  folder: string,
  name: string,
  texts: readonly string[],
  { tokenizer, vocabSize, signal }: SourceRequest,
): Promise<void> {
  async function* parts(): AsyncGenerator<DocumentPart> {
    for (const text of texts) yield { text, isFirst: true, isLast: true };
  }
  const width = widthOf({ vocabSize });
  await writeFolder(folder, async (temporary) => {
    const written = await writeDocuments(name, parts(), tokenizer, {
      folder: temporary,
      width,
      tokensPerFile: maxTokensPerFile,
      leftOut: { ...noneLeftOut },
      signal,
    });
    await writeJson(join(temporary, 'tokens.json'), {
      version: 2,
      text: name,
      sha256: hashTexts(texts),
      tokenizer: tokenizer.hash,
      rule: chunkingVersion,
      library: tokenizerLibrary,
      width,
      ...written,
    });
  });
}
