/** @file Summarizes data as training would read it, before the training. */
import { noneLeftOut, sumLeftOut, type LeftOut } from '../../base/left-out.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import { isDatasetName } from '../../base/dataset-name.ts';
import { createQueue } from '../../base/queue.ts';
import { refuse } from '../../base/errors.ts';
import type { DataItemPreview, PreviewEvent, TextPreview } from '../../contract/text.ts';
import { chunkDocuments } from '../../store/data/chunks.ts';
import { isTokenFile, listDataFiles, type DataFiles } from '../../store/data/dataset-files.ts';
import {
  defaultTextField,
  readDocuments,
  type DocumentPart,
  type ReadOptions,
} from '../../store/data/documents.ts';
import { tokenizeFiles } from '../../store/data/tokenize.ts';
import { readTokenSummary } from '../../store/data/token-files.ts';
import { decodeTokenFile } from '../../store/data/token-import.ts';
import { openTokenizer, readVocabRows, type TextTokenizer } from '../../store/data/tokenizer.ts';
import { createLinkedController } from '../../store/fs/signals.ts';
import { readDatasetName } from '../../store/hub/datasets.ts';
import { openSplit, readSplitDocuments } from '../../store/hub/open-split.ts';
import { openHome } from '../../store/home/home.ts';
import type { PreviewInput } from '../inputs.ts';
import { openHub } from '../train/open-text.ts';
import { findTokenizerDir } from './tokenize-job.ts';

/** Characters and tokens of the first document that are shown. */
const shownLength = 400;
const shownTokens = 64;

/** Documents of a dataset on the Hub that are read without a limit. */
const datasetDocuments = 100;

/** One item of the data: files, or a dataset of the Hub. */
interface DataSource extends DataFiles {
  readonly name: string;
  readonly dataset?: {
    readonly files: number;
    /** Reads documents from the beginning of its first file on. */
    read(leftOut: LeftOut): AsyncGenerator<DocumentPart>;
  };
}

const countFiles = ({ files, dataset }: DataSource): number => dataset?.files ?? files.length;

async function findSource(
  data: string,
  { field, hubToken }: PreviewInput,
  signal: AbortSignalLike,
): Promise<DataSource> {
  if (!isDatasetName(data)) return { ...(await listDataFiles(data)), name: data };
  const hub = await openHub(hubToken ?? null);
  const column = field ?? defaultTextField;
  const controller = createLinkedController(signal);
  const split = await openSplit({ hub, dataset: readDatasetName(data), column, signal: controller.signal });
  const read = (leftOut: LeftOut): AsyncGenerator<DocumentPart> => readSplitDocuments(split, column, leftOut);
  return { name: data, files: [], leftOut: [], dataset: { files: split.files.length, read } };
}

/** The documents of each file, or of a dataset. */
async function* readSource(
  { name, files, dataset }: DataSource,
  options: ReadOptions & { readonly leftOut: LeftOut; readonly tokenizer: TextTokenizer },
): AsyncGenerator<{ readonly file: string; readonly parts: AsyncGenerator<DocumentPart> }> {
  if (dataset) yield { file: name, parts: dataset.read(options.leftOut) };
  for (const file of files) {
    const parts = isTokenFile(file) ? decodeTokenFile(file, options.tokenizer) : readDocuments(file, options);
    yield { file, parts };
  }
}

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
  const groups = await Promise.all(input.data.map((data) => findSource(data, input, signal)));
  const first = await readBeginning(tokenizer, groups, input.field);
  const local = groups.filter(({ dataset }) => !dataset);
  const countsOf = new Map<DataSource, Count>();
  const addCounts = (sources: readonly DataSource[], { counts }: Counted): void => {
    for (const [i, source] of sources.entries()) countsOf.set(source, counts[i]!);
  };
  const isCounted = input.limit === undefined && local.length > 0;
  const whole = isCounted ? yield* countAll({ ...input, dir, vocabRows }, local, signal) : undefined;
  if (whole) addCounts(local, whole);
  const rest = whole ? groups.filter(({ dataset }) => dataset) : groups;
  const limit = input.limit ?? datasetDocuments;
  const some = await countFirst(tokenizer, rest, { ...input, limit }, signal);
  addCounts(rest, some);
  const counts = groups.map((source) => countsOf.get(source)!);
  const leftOut = sumLeftOut([some.leftOut, ...(whole ? [whole.leftOut] : [])]);
  const sum = (pick: (count: Count) => number): number => counts.reduce((total, c) => total + pick(c), 0);
  const sizes = counts.map((count, i) => input.weights?.[i] ?? count.tokens);
  const total = sizes.reduce((a, b) => a + b, 0);
  const result: TextPreview = {
    tokenizer: { type: tokenizer.modelType, vocabSize: tokenizer.vocabSize },
    files: groups.reduce((n, source) => n + countFiles(source), 0),
    documents: sum(({ documents }) => documents),
    tokens: sum(({ tokens }) => tokens),
    bytes: sum(({ bytes }) => bytes),
    leftOut,
    items: groups.map((source, i): DataItemPreview => ({
      path: input.data[i]!,
      files: countFiles(source),
      ...counts[i]!,
      share: total > 0 ? sizes[i]! / total : 0,
      leftOutFiles: source.leftOut,
    })),
    first,
    isPartial: rest.length > 0,
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
  groups: readonly DataSource[],
  signal: AbortSignalLike,
): AsyncGenerator<PreviewEvent, Counted> {
  const progress = createQueue<PreviewEvent>();
  const work = tokenizeFiles({
    data: data.filter((path) => !isDatasetName(path)),
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
  groups: readonly DataSource[],
  { field, limit }: { readonly field?: string | undefined; readonly limit: number },
  signal: AbortSignalLike,
): Promise<Counted> {
  const { before, after, appended } = tokenizer.documentTokens;
  const around = before.length + after.length + appended.length;
  const leftOut: LeftOut = { ...noneLeftOut };
  const counts: Count[] = [];
  for (const source of groups) {
    const count = { documents: 0, tokens: 0, bytes: 0 };
    for await (const { file, parts } of readSource(source, { field, signal, leftOut, tokenizer })) {
      if (count.documents >= limit) break;
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
  groups: readonly DataSource[],
  field: string | undefined,
): Promise<TextPreview['first']> {
  const { before } = tokenizer.documentTokens;
  const leftOut: LeftOut = { ...noneLeftOut };
  for (const source of groups)
    for await (const { file, parts } of readSource(source, { field, leftOut, tokenizer }))
      for await (const { text } of chunkDocuments(file, parts, tokenizer.canCut)) {
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
  return refuse('data/empty', { path: groups.map(({ name }) => name).join(', '), tokens: 0, needed: 1 });
}
