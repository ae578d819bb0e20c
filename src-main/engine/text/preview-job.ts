/** @file Summarizes data as training would read it, before the training. */
import type { AbortSignalLike } from '../../base/signals.ts';
import { createQueue } from '../../base/queue.ts';
import { refuse } from '../../base/errors.ts';
import type { DataItemPreview, PreviewEvent, TextPreview } from '../../contract/text.ts';
import { chunkDocuments } from '../../store/data/chunks.ts';
import { listDataFiles, type DataFiles } from '../../store/data/dataset-files.ts';
import { readDocuments, type LeftOut } from '../../store/data/documents.ts';
import { tokenizeFiles } from '../../store/data/tokenize.ts';
import { readTokenSummary } from '../../store/data/token-files.ts';
import { openTokenizer, readVocabRows, type TextTokenizer } from '../../store/data/tokenizer.ts';
import { createLinkedController } from '../../store/fs/signals.ts';
import { openHome } from '../../store/home/home.ts';
import type { PreviewInput } from '../inputs.ts';
import { findTokenizerDir } from './tokenize-job.ts';

/** Characters and tokens of the first document that are shown. */
const shownLength = 400;
const shownTokens = 64;

/** What was counted of one item of the data. */
interface Count {
  readonly documents: number;
  readonly tokens: number;
  readonly bytes: number;
}

/** Counts all data, or with `limit` the first documents of each item. Throws `data/empty`, `cancelled`. */
export async function* preview(input: PreviewInput, signal: AbortSignalLike): AsyncGenerator<PreviewEvent> {
  const dir = await findTokenizerDir(input.checkpoint);
  const vocabRows = await readVocabRows(dir);
  const tokenizer = await openTokenizer(dir, vocabRows);
  const groups = await Promise.all(input.data.map(listDataFiles));
  const first = await readBeginning(tokenizer, groups, input.field);
  const counted =
    input.limit === undefined
      ? yield* countAll({ ...input, dir, vocabRows }, groups, signal)
      : await countFirst(tokenizer, groups, { ...input, limit: input.limit }, signal);
  const { counts, leftOut } = counted;
  const sum = (pick: (count: Count) => number): number => counts.reduce((total, c) => total + pick(c), 0);
  const sizes = counts.map((count, i) => input.weights?.[i] ?? count.tokens);
  const total = sizes.reduce((a, b) => a + b, 0);
  const result: TextPreview = {
    tokenizer: { type: tokenizer.modelType, vocabSize: tokenizer.vocabSize },
    files: groups.reduce((n, { files }) => n + files.length, 0),
    documents: sum(({ documents }) => documents),
    tokens: sum(({ tokens }) => tokens),
    bytes: sum(({ bytes }) => bytes),
    leftOut,
    items: groups.map(({ files, leftOut: others }, i): DataItemPreview => ({
      path: input.data[i]!,
      files: files.length,
      ...counts[i]!,
      share: total > 0 ? sizes[i]! / total : 0,
      leftOutFiles: others,
    })),
    first,
    isPartial: input.limit !== undefined,
    notes: tokenizer.notes,
  };
  yield { type: 'done', preview: result };
}

interface Counted {
  readonly counts: readonly Count[];
  readonly leftOut: LeftOut;
}

/** Tokenizes everything, as training does: it then finds the tokens in the cache. */
async function* countAll(
  { data, field, dir, vocabRows }: PreviewInput & { readonly dir: string; readonly vocabRows: number },
  groups: readonly DataFiles[],
  signal: AbortSignalLike,
): AsyncGenerator<PreviewEvent, Counted> {
  const progress = createQueue<PreviewEvent>();
  const work = tokenizeFiles({
    data,
    field,
    tokenizerDir: dir,
    vocabSize: vocabRows,
    cacheDir: await openHome().createCacheDir('tokens'),
    signal: createLinkedController(signal).signal,
    onProgress: (done, of) => {
      progress.push({ type: 'bytes', done, of });
    },
  });
  work.then(progress.end, progress.fail);
  yield* progress;
  const { folders, leftOut } = await work;
  const summaries = await Promise.all(folders.map(readTokenSummary));
  let at = 0;
  const counts = groups.map(({ files }) => {
    const own = summaries.slice(at, at + files.length);
    at += files.length;
    return own.reduce<Count>(
      (total, { documents, tokens, bytes }) => ({
        documents: total.documents + documents,
        tokens: total.tokens + tokens,
        bytes: total.bytes + bytes,
      }),
      { documents: 0, tokens: 0, bytes: 0 },
    );
  });
  return { counts, leftOut };
}

/** Encodes the first documents of each item. */
async function countFirst(
  tokenizer: TextTokenizer,
  groups: readonly DataFiles[],
  { field, limit }: { readonly field?: string | undefined; readonly limit: number },
  signal: AbortSignalLike,
): Promise<Counted> {
  const { before, after, appended } = tokenizer.documentTokens;
  const around = before.length + after.length + appended.length;
  const leftOut = { missing: 0, empty: 0 };
  const counts: Count[] = [];
  for (const { files } of groups) {
    const count = { documents: 0, tokens: 0, bytes: 0 };
    for (const file of files) {
      if (count.documents >= limit) break;
      const parts = readDocuments(file, { field, signal, leftOut });
      for await (const chunk of chunkDocuments(file, parts, tokenizer.canCut)) {
        if (signal.aborted) refuse('cancelled', { what: 'reading the text' });
        count.tokens += (await tokenizer.encodeChunks([chunk]))[0]!.length;
        count.bytes += Buffer.byteLength(chunk.text);
        if (!chunk.isLast) continue;
        count.documents++;
        count.tokens += around;
        if (count.documents >= limit) break;
      }
    }
    counts.push(count);
  }
  return { counts, leftOut };
}

/** The beginning of the first document. */
async function readBeginning(
  tokenizer: TextTokenizer,
  groups: readonly DataFiles[],
  field: string | undefined,
): Promise<TextPreview['first']> {
  const files = groups.flatMap((group) => group.files);
  const { before } = tokenizer.documentTokens;
  for (const file of files)
    for await (const { text } of chunkDocuments(file, readDocuments(file, { field }), tokenizer.canCut)) {
      const [chunk] = await tokenizer.listChunkTokens([{ text, before: '' }]);
      const ids = [...before, ...chunk!.ids];
      const tokens = [...before.map((id) => tokenizer.getTokenText(id) ?? ''), ...chunk!.tokens];
      return {
        file,
        text: text.slice(0, shownLength).toWellFormed(),
        ids: ids.slice(0, shownTokens),
        tokens: tokens.slice(0, shownTokens),
      };
    }
  return refuse('data/empty', { path: files.join(', '), tokens: 0, needed: 1 });
}
