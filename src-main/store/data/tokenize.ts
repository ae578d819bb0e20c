/** @file Tokenizes text files in a worker thread, with a cache, progress and cancellation. */
import { mkdir, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { AppError, createError, refuse, type ErrorData } from '../../base/errors.ts';
import { noneLeftOut, sumLeftOut, type LeftOut } from '../../base/left-out.ts';
import { isFiltering, type TextFilter } from '../../base/text-filter.ts';
import { readOrRefuse, writeOrRefuse } from '../fs/files.ts';
import { resolveWorkerUrl } from '../fs/worker-url.ts';
import { findDataFiles } from './dataset-files.ts';
import { readTokenSummary } from './token-files.ts';

export { openTokens, type Tokens } from './token-files.ts';

export interface TokenizeRequest {
  /** Files, glob patterns and folders, as `findDataFiles` takes them. */
  readonly data: readonly string[];
  /** The JSON field or Parquet column with the text; default `text`. */
  readonly field?: string | undefined;
  /** The checkpoint folder with the tokenizer. */
  readonly tokenizerDir: string;
  /** Rows of the model's token embedding. */
  readonly vocabSize: number;
  readonly cacheDir: string;
  /** Documents that are left out; default: none. */
  readonly filter?: TextFilter;
  /** Called with the bytes of text done, and of all files together. */
  readonly onProgress?: (done: number, of: number) => void;
  readonly signal?: AbortSignal;
}

export interface TokenizedData {
  /** One folder of tokens for each file, in the order of `data`, for `openTokens`. */
  readonly folders: readonly string[];
  /** Tokens of each item of `data`. */
  readonly lengths: readonly number[];
  readonly tokens: number;
  readonly documents: number;
  /** Size of the text as UTF-8. */
  readonly bytes: number;
  /** True when all tokens came from the cache. */
  readonly cached: boolean;
  /** Records that gave no document. */
  readonly leftOut: LeftOut;
  /** What transformers changes of the tokenizer's files, as sentences. */
  readonly notes: readonly string[];
}

/** What the worker is started with. */
export interface TokenizeTask {
  readonly files: readonly string[];
  readonly field: string | undefined;
  readonly tokenizerDir: string;
  readonly vocabSize: number;
  readonly cacheDir: string;
  readonly filter: TextFilter | undefined;
}

/** What the worker sends. Any message to it cancels. */
export type TokenizeMessage =
  | { readonly type: 'bytes'; readonly file: string; readonly done: number }
  | { readonly type: 'file'; readonly file: string; readonly folder: string; readonly cached: boolean }
  | { readonly type: 'done'; readonly notes: readonly string[] }
  | { readonly type: 'failed'; readonly error: ErrorData };

/** Without this limit, the worker's garbage makes the process 35 MB larger and is never given back. */
const maxYoungGenerationSizeMb = 8;
/** Milliseconds for the worker to remove its files after a cancellation, before it is left behind. */
const cancelTimeout = 3000;

/**
 * Tokenizes all data, or reads its tokens from the cache. Every document begins with the tokens that the
 * tokenizer's post-processor puts first, and ends with the end-of-text token.
 */
export async function tokenizeFiles(request: TokenizeRequest): Promise<TokenizedData> {
  const { data, field, vocabSize, onProgress, signal } = request;
  const groups = await Promise.all(data.map(findDataFiles));
  const paths = groups.flat();
  const sizes = new Map<string, number>();
  for (const path of paths) sizes.set(path, (await readOrRefuse(path, () => stat(path))).size);
  if (signal?.aborted) refuse('cancelled', { what: 'tokenizing' });
  await writeOrRefuse(request.cacheDir, () => mkdir(request.cacheDir, { recursive: true }));
  const task: TokenizeTask = {
    files: [...sizes.keys()],
    field,
    tokenizerDir: resolve(request.tokenizerDir),
    vocabSize,
    cacheDir: resolve(request.cacheDir),
    filter: request.filter && isFiltering(request.filter) ? request.filter : undefined,
  };
  const { results, notes } = await runWorker(task, sizes, onProgress, signal);
  const folders = paths.map((path) => results.get(path)!.folder);
  const summaries = await Promise.all(folders.map(readTokenSummary));
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const tokens = summaries.map((summary) => summary.tokens);
  let at = 0;
  const lengths = groups.map((group) => {
    const length = sum(tokens.slice(at, at + group.length));
    at += group.length;
    return length;
  });
  return {
    folders,
    lengths,
    tokens: sum(tokens),
    documents: sum(summaries.map((summary) => summary.documents)),
    bytes: sum(summaries.map((summary) => summary.bytes)),
    cached: [...results.values()].every((result) => result.cached),
    leftOut: sumLeftOut(summaries.map(({ leftOut }) => leftOut ?? noneLeftOut)),
    notes,
  };
}

type FileResult = Extract<TokenizeMessage, { type: 'file' }>;

interface WorkerResult {
  readonly results: ReadonlyMap<string, FileResult>;
  readonly notes: readonly string[];
}

/**
 * Runs the worker to its end. Returns the result of each file. `sizes` has the bytes of each. After a
 * cancellation it waits for the worker only for a while: the library's threads cannot be interrupted, and a
 * tokenizer may be endlessly slow.
 */
function runWorker(
  task: TokenizeTask,
  sizes: ReadonlyMap<string, number>,
  onProgress: TokenizeRequest['onProgress'],
  signal: AbortSignal | undefined,
): Promise<WorkerResult> {
  const totalBytes = [...sizes.values()].reduce((a, b) => a + b, 0);
  const results = new Map<string, FileResult>();
  let doneBytes = 0;
  return new Promise((done, fail) => {
    const worker = new Worker(resolveWorkerUrl('tokenize-worker', import.meta.url), {
      workerData: task,
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb },
    });
    let timer: NodeJS.Timeout | undefined;
    const cancel = (): void => {
      worker.postMessage('cancel');
      timer = setTimeout(() => {
        void worker.terminate();
        fail(createError('cancelled', { what: 'tokenizing' }));
      }, cancelTimeout);
    };
    signal?.addEventListener('abort', cancel, { once: true });
    worker.on('message', (message: TokenizeMessage) => {
      if (message.type === 'failed') {
        fail(new AppError(message.error.code, message.error.detail));
        return;
      }
      if (message.type === 'done') {
        done({ results, notes: message.notes });
        return;
      }
      if (message.type === 'file') {
        results.set(message.file, message);
        doneBytes += sizes.get(message.file)!;
      }
      onProgress?.(message.type === 'bytes' ? doneBytes + message.done : doneBytes, totalBytes);
    });
    worker.on('error', fail);
    worker.on('exit', () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
      fail(createError('internal', { message: 'the tokenizing worker ended early' }));
    });
  });
}
