/** @file Text to token files, once: in a worker, cached by content, with progress and cancel. */
import { mkdir, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { AppError, appError, refuse, type ErrorData } from '../../base/errors.ts';
import { reading, writing } from '../fs/files.ts';
import { filesOf } from './sources.ts';
import { summaryOf } from './token-files.ts';
import { workerFile } from '../fs/worker-file.ts';

export { openTokens, type Tokens } from './token-files.ts';

export interface TokenizeRequest {
  /**
   * Files, patterns and folders (sources.ts): plain text is one document each, .jsonl has one a line,
   * .parquet one a row.
   */
  readonly data: readonly string[];
  /** The JSON field or column with the text; `text` when absent. */
  readonly field?: string | undefined;
  /** The checkpoint's folder. */
  readonly tokenizer: string;
  /** Rows of the model's token table. */
  readonly vocab: number;
  /** A folder that keeps tokens by content. */
  readonly cache: string;
  /** Bytes of text done and to do, over all files. */
  readonly onProgress?: (done: number, of: number) => void;
  readonly signal?: AbortSignal;
}

export interface TokenSet {
  /** For `openTokens`, one for each file, in the order of `data`. */
  readonly folders: readonly string[];
  /** Tokens of each of `data`. */
  readonly lengths: readonly number[];
  readonly tokens: number;
  readonly documents: number;
  /** Of the text, as UTF-8. */
  readonly bytes: number;
  /** True when nothing had to be encoded. */
  readonly cached: boolean;
}

export interface TokenizeTask {
  readonly files: readonly string[];
  readonly field: string | undefined;
  readonly tokenizer: string;
  readonly vocab: number;
  readonly cache: string;
}
export type TokenizeMessage =
  | { readonly at: 'bytes'; readonly file: string; readonly done: number }
  | { readonly at: 'file'; readonly file: string; readonly folder: string; readonly cached: boolean }
  | { readonly at: 'failed'; readonly error: ErrorData };

/** MB of new objects before they are collected. */
const youngest = 8;

/**
 * The tokens of all data, from the cache where they are known. Each document ends with the end-of-text token,
 * and begins with what the tokenizer's post-processor puts first.
 */
export async function tokenizeFiles({
  data,
  field,
  tokenizer,
  vocab,
  cache,
  onProgress,
  signal,
}: TokenizeRequest): Promise<TokenSet> {
  const groups = await Promise.all(data.map(filesOf));
  const paths = groups.flat();
  const sizes = new Map<string, number>();
  for (const path of paths) sizes.set(path, (await reading(path, () => stat(path))).size);
  const of = [...sizes.values()].reduce((a, b) => a + b, 0);
  const unique = [...sizes.keys()];
  const folders = new Map<string, string>();
  if (signal?.aborted) refuse('cancelled', { what: 'tokenizing' });
  await writing(cache, () => mkdir(cache, { recursive: true }));
  let before = 0;
  let cached = true;
  await new Promise<void>((done, fail) => {
    // Without the limit its garbage makes the process 35 MB larger, and the system gets none of it back.
    const worker = new Worker(workerFile('tokenize-worker', import.meta.url), {
      workerData: {
        files: unique,
        field,
        tokenizer: resolve(tokenizer),
        vocab,
        cache: resolve(cache),
      } satisfies TokenizeTask,
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: youngest },
    });
    const cancel = (): void => {
      worker.postMessage('cancel');
    };
    signal?.addEventListener('abort', cancel, { once: true });
    worker.on('message', (message: TokenizeMessage) => {
      if (message.at === 'failed') {
        fail(new AppError(message.error.code, message.error.detail));
        return;
      }
      if (message.at === 'file') {
        folders.set(message.file, message.folder);
        cached &&= message.cached;
        before += sizes.get(message.file)!;
      }
      onProgress?.(message.at === 'bytes' ? before + message.done : before, of);
    });
    worker.on('error', (error) => {
      fail(error);
    });
    worker.on('exit', () => {
      signal?.removeEventListener('abort', cancel);
      if (folders.size === unique.length) done();
      else fail(appError('internal', { message: 'the tokenizing worker ended early' }));
    });
  });
  const all = paths.map((path) => folders.get(path)!);
  const summaries = await Promise.all(all.map(summaryOf));
  const sum = (of: (summary: (typeof summaries)[number]) => number): number =>
    summaries.reduce((n, summary) => n + of(summary), 0);
  let at = 0;
  const lengths = groups.map(({ length }) =>
    summaries.slice(at, (at += length)).reduce((n, summary) => n + summary.tokens, 0),
  );
  return {
    folders: all,
    lengths,
    tokens: sum((s) => s.tokens),
    documents: sum((s) => s.documents),
    bytes: sum((s) => s.bytes),
    cached,
  };
}
