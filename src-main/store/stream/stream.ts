/**
 * @file A stream of tokens without end, made in a worker thread from a dataset of the Hub while training reads it. The
 * worker is ahead by at most `maxBytes` on disk.
 */
import { closeSync, readSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { AppError, createError, refuse, type ErrorData } from '../../base/errors.ts';
import { sumLeftOut, type LeftOut } from '../../base/left-out.ts';
import { countUpTo } from '../../base/sorted.ts';
import { openRegularFileSync } from '../fs/files.ts';
import { resolveWorkerUrl } from '../fs/worker-url.ts';
import type { Hub } from '../hub/requests.ts';
import { blockPath, documentsOffset, removeBlockFiles, type BlockRecord } from './block-store.ts';
import { widthOf, type StreamSource } from './source.ts';

/** What the worker is started with. */
export interface StreamTask {
  readonly folder: string;
  readonly tokenizerDir: string;
  /** The first token that is needed. Blocks before it are not made again. */
  readonly firstToken: number;
  readonly maxBytes: number;
  /** Tokens that are made unless more are asked for. */
  readonly goal: number;
  readonly hub: Pick<Hub, 'settings' | 'token' | 'retry'>;
}

/** What the worker sends: the blocks before the first one that is needed, then each block on disk, in order. */
export type StreamMessage =
  | { readonly type: 'records'; readonly records: readonly BlockRecord[] }
  | { readonly type: 'block'; readonly record: BlockRecord }
  | { readonly type: 'failed'; readonly error: ErrorData };

/** What the worker is sent: blocks before `before` are no longer needed; tokens up to `goal` are. */
export type StreamRequest =
  | { readonly type: 'release'; readonly before: number }
  | { readonly type: 'goal'; readonly goal: number }
  | { readonly type: 'cancel' };

export interface TokenStream {
  /** Tokens that have been made. */
  readonly length: number;
  readonly documents: number;
  readonly leftOut: LeftOut;
  /**
   * Waits until tokens up to `end` are on disk, and lets those before `start` go. Returns false if `isStopped` says so
   * first. Refuses what the worker refused.
   */
  prepare(start: number, end: number, isStopped: () => boolean): Promise<boolean>;
  /** Reads prepared tokens from `start` on. */
  read(start: number, into: Int32Array): void;
  /** The number of the document of each prepared token from `start` on. */
  readDocumentIds(start: number, into: Int32Array): void;
  /** Ends the worker. With `removeBlocks`, the tokens on disk are removed; a later session makes them again. */
  close(options?: { readonly removeBlocks: boolean }): Promise<void>;
}

interface Placed extends BlockRecord {
  readonly firstToken: number;
  readonly firstDocument: number;
  documentStarts?: Float64Array;
}

/** Milliseconds between two looks at whether the run is asked to stop, while it waits for tokens. */
const stopInterval = 200;
/** Milliseconds for the worker to end by itself. */
const endTimeout = 3000;

export function openTokenStream(
  source: StreamSource,
  task: Omit<StreamTask, 'hub'>,
  { settings, token, retry }: Hub,
): TokenStream {
  const width = widthOf(source);
  const blocks: Placed[] = [];
  let length = 0;
  let documents = 0;
  let released = 0;
  let { goal } = task;
  let failure: Error | undefined;
  let isClosed = false;
  let wake = (): void => undefined;
  const add = (record: BlockRecord): void => {
    blocks.push({ ...record, firstToken: length, firstDocument: documents });
    length += record.tokens;
    documents += record.documents;
  };
  const worker = new Worker(resolveWorkerUrl('stream-worker', import.meta.url), {
    workerData: { ...task, hub: { settings, token, retry } } satisfies StreamTask,
    execArgv: [],
  });
  const ended = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      failure ??= createError('internal', { message: 'the thread of the stream ended early' });
      wake();
      resolve();
    });
  });
  worker.on('message', (message: StreamMessage) => {
    if (message.type === 'failed') failure ??= new AppError(message.error.code, message.error.detail);
    else if (message.type === 'block') add(message.record);
    else for (const record of message.records) add(record);
    wake();
  });
  worker.on('error', (error: Error) => {
    failure ??= error;
    wake();
  });

  /** The block with token `at`. */
  const findBlock = (at: number): number => {
    let low = 0;
    let high = blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (blocks[middle]!.firstToken <= at) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  /** Calls `visit` for each piece of `count` tokens from `start` on: the block, its first token, how many. */
  const forEachPiece = (
    start: number,
    count: number,
    visit: (n: number, from: number, length: number, done: number) => void,
  ): void => {
    for (let done = 0, n = findBlock(start); done < count; n++) {
      const block = blocks[n] ?? refuse('internal', { message: `token ${start + done} is not prepared` });
      const from = start + done - block.firstToken;
      const piece = Math.min(count - done, block.tokens - from);
      if (piece > 0) visit(n, from, piece, done);
      done += Math.max(0, piece);
    }
  };
  const readBytes = (n: number, offset: number, bytes: Uint8Array): void => {
    const path = blockPath(task.folder, n);
    const descriptor = openRegularFileSync(path);
    try {
      if (readSync(descriptor, bytes, 0, bytes.length, offset) !== bytes.length)
        refuse('data/tokens-damaged', { path, why: 'it ends too early' });
    } finally {
      closeSync(descriptor);
    }
  };
  const documentStartsOf = (n: number): Float64Array => {
    const block = blocks[n]!;
    if (!block.documentStarts) {
      const bytes = new Uint8Array(block.documents * 8);
      readBytes(n, documentsOffset(block.tokens, width), bytes);
      block.documentStarts = new Float64Array(bytes.buffer);
    }
    return block.documentStarts;
  };

  return {
    get length() {
      return length;
    },
    get documents() {
      return documents;
    },
    get leftOut() {
      return sumLeftOut(blocks.map((block) => block.leftOut));
    },
    async prepare(start, end, isStopped) {
      // The blocks before `start` are known as soon as it is reached.
      if (blocks.length > 0 && start < length) {
        const before = findBlock(start);
        for (let n = released; n < before; n++) delete blocks[n]!.documentStarts;
        if (before > released) worker.postMessage({ type: 'release', before } satisfies StreamRequest);
        released = Math.max(released, before);
      }
      if (end > goal) {
        goal = end;
        worker.postMessage({ type: 'goal', goal } satisfies StreamRequest);
      }
      while (length < end) {
        if (isStopped()) return false;
        if (failure) throw failure;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, stopInterval);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      return true;
    },
    read(start, into) {
      forEachPiece(start, into.length, (n, from, count, done) => {
        const bytes = new Uint8Array(count * width);
        readBytes(n, from * width, bytes);
        into.set(width === 2 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer), done);
      });
    },
    readDocumentIds(start, into) {
      forEachPiece(start, into.length, (n, from, count, done) => {
        const starts = documentStartsOf(n);
        const { firstDocument } = blocks[n]!;
        let document = Math.max(0, countUpTo(starts, from) - 1);
        for (let i = 0; i < count; i++) {
          while (document + 1 < starts.length && starts[document + 1]! <= from + i) document++;
          into[done + i] = firstDocument + document;
        }
      });
    },
    async close({ removeBlocks } = { removeBlocks: false }) {
      if (isClosed) return;
      isClosed = true;
      worker.postMessage({ type: 'cancel' } satisfies StreamRequest);
      await Promise.race([ended, wait(endTimeout)]);
      await worker.terminate();
      if (removeBlocks) await removeBlockFiles(task.folder);
    },
  };
}
