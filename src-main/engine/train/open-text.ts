/**
 * @file The text of a run: token files of its texts, streams of its datasets on the Hub, and what it is evaluated
 * on, as one sequence of tokens with the parts that batches are drawn from.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { isDatasetName, type DatasetName } from '../../base/dataset-name.ts';
import { refuse } from '../../base/errors.ts';
import { noneLeftOut, sumLeftOut, type LeftOut } from '../../base/left-out.ts';
import type { AbortSignalLike } from '../../base/signals.ts';
import type { RunEvent } from '../../contract/schema.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { defaultTextField } from '../../store/data/documents.ts';
import { readTokenSummary } from '../../store/data/token-files.ts';
import { openTokens, type Tokens } from '../../store/data/tokenize.ts';
import { openTokenizer, type TextTokenizer } from '../../store/data/tokenizer.ts';
import { exists, makeFolder, writeOrRefuse } from '../../store/fs/files.ts';
import { createLinkedController } from '../../store/fs/signals.ts';
import { datasetsIn } from '../../store/hub/datasets.ts';
import { createHub, type Hub } from '../../store/hub/requests.ts';
import { findToken, readHubSettings, type HubToken } from '../../store/hub/settings.ts';
import { readSource, sourceFile } from '../../store/stream/block-store.ts';
import { createSource, fetchValidation, heldOutFolder } from '../../store/stream/create-source.ts';
import { hashSource, widthOf, type StreamSource } from '../../store/stream/source.ts';
import { openTokenStream, type TokenStream } from '../../store/stream/stream.ts';
import {
  buffersAtOnce,
  heldOutWindows,
  streamedRanges,
  type BatchOrder,
  type StreamedRange,
  type TextPart,
} from '../../train/batches.ts';
import type { RunSettings } from '../../train/run.ts';
import {
  streamOffset,
  streamPositions,
  textFilterOf,
  textParts,
  type TextLength,
  type ValidationText,
} from '../../train/run-text.ts';
import { stepsOf } from '../../train/schedule.ts';
import { longestContext } from '../../train/stages.ts';
import { tokenizeText } from './training-text.ts';

/** Bytes of Parquet for each token, about: English text, packed. */
const bytesPerToken = 3;
/** A block has a quarter of a shuffle buffer, within these numbers of tokens. */
const blockTokenLimits = [1024, 2 ** 22] as const;

export interface TextRequest {
  /** The folder of the run. */
  readonly dir: string;
  readonly run: RunSettings;
  readonly base: Checkpoint;
  readonly signal: AbortSignalLike;
  readonly shouldStop: () => boolean;
  /** The token for the Hub that the service keeps. */
  readonly hubToken: HubToken | null;
}

/** Everything of the text that is in token files. */
export interface StaticText {
  /** Folders of tokens: of the texts, then of what the run is evaluated on. */
  readonly folders: readonly string[];
  readonly parts: readonly TextPart[];
  readonly leftOut: LeftOut;
  /** What each stream reads, with the folder. */
  readonly streams: readonly { readonly source: StreamSource; readonly folder: string }[];
}

export interface RunText {
  readonly tokens: Tokens;
  readonly parts: readonly TextPart[];
  readonly leftOut: LeftOut;
  /** Waits for what micro-batches `n` to `n + count` read; false if the run was asked to stop first. */
  prepare(n: number, count: number, order: BatchOrder): Promise<boolean>;
  /** With `isFinished`, what streams have on disk is removed. */
  close(isFinished: boolean): Promise<void>;
}

export const openHub = async (hubToken: HubToken | null): Promise<Hub> => {
  const settings = readHubSettings();
  return createHub(settings, await findToken(settings, hubToken));
};

/** Reads the texts of a run into token files, and decides what its streams read. */
export async function* readStaticText(request: TextRequest): AsyncGenerator<RunEvent, StaticText> {
  const { run, base, signal, shouldStop } = request;
  const filter = textFilterOf(run.settings);
  const datasets = datasetsIn(run.data);
  const texts = run.data.filter((_, i) => !datasets.has(i));
  const tokenized =
    texts.length > 0
      ? yield* tokenizeText({ ...run, data: texts }, base, signal, shouldStop, filter)
      : undefined;
  const tokenizer = await openTokenizer(base.dir, base.dims['vocab']!);
  const streams = new Map<number, { source: StreamSource; folder: string }>();
  for (const [i, dataset] of datasets) {
    yield { type: 'preparing', what: `looking at ${run.data[i]!}`, done: 0, of: 1 };
    streams.set(i, await openSource(request, tokenizer, i, dataset));
  }
  const validation: ValidationText[] = [];
  const folders = [...(tokenized?.folders ?? [])];
  const addValidation = async (name: string, added: readonly string[]): Promise<void> => {
    const summaries = await Promise.all(added.map(readTokenSummary));
    folders.push(...added);
    validation.push({ name, tokens: summaries.reduce((sum, { tokens }) => sum + tokens, 0) });
  };
  for (const [i, name] of (run.validation ?? []).entries())
    await addValidation(name, yield* readValidation(request, tokenizer, name, i));
  for (const { source, folder } of streams.values())
    if (source.heldOut) await addValidation(source.name, [heldOutFolder(folder)]);
  let next = 0;
  const lengths = run.data.map((_, i): TextLength => {
    const stream = streams.get(i);
    if (!stream) return tokenized!.lengths[next++]!;
    const bytes = stream.source.files.reduce((sum, file) => sum + file.bytes, 0);
    return { estimate: Math.ceil(bytes / bytesPerToken) };
  });
  return {
    folders,
    parts: textParts(run, lengths, validation),
    leftOut: tokenized?.leftOut ?? noneLeftOut,
    streams: [...streams.values()],
  };
}

/** The folders with the tokens of a validation text. */
async function* readValidation(
  request: TextRequest,
  tokenizer: TextTokenizer,
  name: string,
  index: number,
): AsyncGenerator<RunEvent, readonly string[]> {
  const { dir, run, base, signal, shouldStop } = request;
  if (!isDatasetName(name)) {
    const tokenized = yield* tokenizeText({ ...run, data: [name] }, base, signal, shouldStop);
    return tokenized.folders;
  }
  yield { type: 'preparing', what: `reading ${name}`, done: 0, of: 1 };
  const folder = join(dir, 'stream', `validation-${index}`);
  await writeOrRefuse(folder, () => makeFolder(join(dir, 'stream')));
  const source = await sourceRequest(request, tokenizer, datasetsIn([name]).get(0)!);
  await fetchValidation(source, folder, heldOutWindows * longestContext(run) + 1);
  return [folder];
}

const sourceRequest = async (
  { run, base, signal, hubToken }: TextRequest,
  tokenizer: TextTokenizer,
  dataset: DatasetName,
): Promise<Parameters<typeof fetchValidation>[0]> => ({
  hub: await openHub(hubToken),
  dataset,
  column: run.field ?? defaultTextField,
  tokenizer,
  vocabSize: base.dims['vocab']!,
  signal: createLinkedController(signal).signal,
});

/** What a stream reads: as the run has decided before, or the dataset as it is now. */
async function openSource(
  request: TextRequest,
  tokenizer: TextTokenizer,
  i: number,
  dataset: DatasetName,
): Promise<{ source: StreamSource; folder: string }> {
  const { dir, run } = request;
  const folder = join(dir, 'stream', String(i));
  if (await exists(join(folder, sourceFile))) return { folder, source: await readSource(folder) };
  const { settings } = run;
  const context = longestContext(run);
  const [least, most] = blockTokenLimits;
  const source = await createSource({
    ...(await sourceRequest(request, tokenizer, dataset)),
    folder,
    seed: settings.seed,
    filter: textFilterOf(settings),
    blockTokens: Math.min(most, Math.max(least, Math.floor((settings.shuffleWindows * context) / 4))),
    heldOutTokens: run.validation || settings.heldOut === 0 ? 0 : heldOutWindows * context + 1,
  });
  return { folder, source };
}

/** Opens the text for training. `order` and `first` say which micro-batch comes first. */
export async function openRunText(
  request: TextRequest,
  text: StaticText,
  first: number,
  orderOf: (parts: readonly TextPart[]) => BatchOrder,
): Promise<RunText> {
  const { run, base, shouldStop } = request;
  const { parts } = text;
  const order = orderOf(parts);
  const files = await openTokens(text.folders);
  const { microBatch, gradAccum, streamDisk, contextLength } = run.settings;
  const maxBytes = streamDisk * 1e9;
  const streamed = parts.filter((part) => part.shuffleWindows !== undefined);
  const ranges = streamedRanges(first, gradAccum, order);
  const lastRanges = streamedRanges(Math.max(first, stepsOf(run.settings) * gradAccum - 1), 1, order);
  const hub = streamed.length > 0 ? await openHub(request.hubToken) : undefined;
  const streams: TokenStream[] = [];
  try {
    for (const [i, part] of streamed.entries()) {
      const { source, folder } = text.streams[i]!;
      const buffer = part.shuffleWindows! * contextLength;
      const sequences = microBatch * gradAccum;
      // A buffer's last window ends in the block after it, and blocks end behind their limit.
      const tokens = buffersAtOnce(part, parts, sequences) * buffer + 3 * source.blockTokens;
      const needed = tokens * widthOf(source) * streamed.length;
      if (needed > maxBytes) refuse('data/stream-disk', { name: source.name, needed, limit: maxBytes });
      const ofPart = (range: StreamedRange): boolean => parts[range.part] === part;
      const task = {
        folder,
        tokenizerDir: base.dir,
        firstToken: ranges.find(ofPart)!.start,
        goal: lastRanges.find(ofPart)!.end,
        maxBytes: maxBytes / streamed.length,
      };
      streams.push(openTokenStream(source, task, hub!));
    }
  } catch (error) {
    files.close();
    await Promise.all(streams.map((stream) => stream.close()));
    throw error;
  }
  return {
    tokens: combine(
      files,
      text.streams.map(({ source }) => source),
      streams,
    ),
    parts,
    get leftOut() {
      return sumLeftOut([text.leftOut, ...streams.map(({ leftOut }) => leftOut)]);
    },
    async prepare(n, count, now) {
      for (const { part, start, end } of streamedRanges(n, count, now)) {
        const stream = streams[streamed.indexOf(parts[part]!)]!;
        if (!(await stream.prepare(start, end, shouldStop))) return false;
      }
      return true;
    },
    async close(isFinished) {
      files.close();
      await Promise.all(streams.map((stream) => stream.close({ removeBlocks: isFinished })));
    },
  };
}

/** Token files and streams as one sequence: the tokens of a stream begin at its offset. */
function combine(files: Tokens, sources: readonly StreamSource[], streams: readonly TokenStream[]): Tokens {
  if (streams.length === 0) return files;
  const textHash = createHash('sha256').update([files.textHash, ...sources.map(hashSource)].join('\n'));
  /** The number of the stream with a position; negative for token files. */
  const streamAt = (position: number): number => Math.floor(position / streamPositions) - 1;
  return {
    ...files,
    textHash: textHash.digest('hex'),
    read(start, count, into = new Int32Array(count)) {
      const i = streamAt(start);
      if (i < 0) return files.read(start, count, into);
      streams[i]!.read(start - streamOffset(i), into);
      return into;
    },
    readDocumentIds(start, count, into = new Int32Array(count)) {
      const i = streamAt(start);
      if (i < 0) return files.readDocumentIds(start, count, into);
      streams[i]!.readDocumentIds(start - streamOffset(i), into);
      return into;
    },
  };
}
