/** @file Grows weights in several threads with shared memory. The bytes do not depend on the number of threads. */
import { Worker } from 'node:worker_threads';
import { AppError, createError, type ErrorData } from '../../base/errors.ts';
import type { DrawnNoise, Noise } from '../../growth/apply/noise.ts';
import { createRowMaker, type RowContext } from '../../growth/apply/row-maker.ts';
import type { TensorRecipe } from '../../growth/recipe.ts';
import { resolveWorkerUrl } from '../../store/fs/worker-url.ts';
import { byteLengthOf } from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';

/** Gives a weight to a thread under a number. All arrays are in shared memory. */
export interface LoadTask {
  readonly type: 'load';
  readonly weight: number;
  readonly recipe: TensorRecipe;
  readonly source: Float32Array;
  readonly second?: Float32Array;
  /** The random numbers of the noise, drawn by `draw` tasks. */
  readonly approximateNormals?: Int16Array;
}
export type RowTask =
  | LoadTask
  /** Returns 1 if the source values are finite, else 0. */
  | { readonly type: 'checkFinite'; readonly weight: number; readonly offset: number; readonly count: number }
  /** Returns a power of the noise. */
  | { readonly type: 'power'; readonly weight: number; readonly index: number }
  /** Draws random numbers; returns the sum of their squares. */
  | {
      readonly type: 'draw';
      readonly weight: number;
      readonly key: number;
      /** Index of the first number in the sequence of the key. */
      readonly first: number;
      readonly offset: number;
      readonly count: number;
    }
  /** Computes rows of the grown weight. */
  | {
      readonly type: 'block';
      readonly weight: number;
      readonly at: number;
      readonly rows: number;
      readonly out: Float32Array | Uint16Array;
      readonly scales?: Float64Array;
    };
export interface RowMessage {
  readonly id: number;
  readonly task: RowTask;
}
export type RowResponse =
  { readonly id: number; readonly value: number } | { readonly id: number; readonly error: ErrorData };

export interface TaskSizes {
  /** Bytes of a block (default 2 MiB), so that it stays in a core's cache until it is written. */
  readonly blockBytes?: number;
  /** Random numbers drawn by one task (default 2^20). */
  readonly drawCount?: number;
}

/** A weight whose noise has been drawn. */
export interface PreparedRows {
  readonly weight: number;
  readonly recipe: TensorRecipe;
  /** Whether all source values are finite. */
  readonly isFinite: boolean;
  readonly scales?: DrawnNoise['scales'];
}

interface PendingCall {
  readonly resolve: (value: number) => void;
  readonly reject: (error: unknown) => void;
}

export class RowWorkers {
  readonly #context: RowContext;
  readonly #blockBytes: number;
  readonly #drawCount: number;
  readonly #workers: readonly Worker[];
  readonly #pending = new Map<number, PendingCall>();
  readonly #buffers = new Map<string, SharedArrayBuffer>();
  #calls = 0;
  #blocks = 0;
  #weights = 0;
  #endError: Error | undefined;

  constructor(
    context: RowContext,
    threads: number,
    { blockBytes = 2 ** 21, drawCount = 2 ** 20 }: TaskSizes = {},
  ) {
    this.#context = context;
    this.#blockBytes = blockBytes;
    this.#drawCount = drawCount;
    this.#workers = Array.from({ length: threads }, () => this.#startWorker());
  }

  /**
   * Prepares a weight and draws its noise, also while the blocks of another weight are computed. At most one
   * weight may be prepared beyond the one being computed. `source` and `second` are in shared memory.
   */
  async prepare(
    recipe: TensorRecipe,
    source: Float32Array,
    second: Float32Array | undefined,
  ): Promise<PreparedRows> {
    const weight = this.#weights;
    this.#weights++;
    const allocate = (bytes: number): ArrayBuffer => new ArrayBuffer(bytes);
    const { noise } = createRowMaker(recipe, this.#context, source, second, allocate);
    const task: LoadTask = {
      type: 'load',
      weight,
      recipe,
      source,
      ...(second ? { second } : {}),
      ...(noise ? { approximateNormals: this.#noiseBuffer(weight, noise) } : {}),
    };
    await Promise.all(this.#workers.map((_, i) => this.#call(i, task)));
    const isFinite = await this.#checkFinite(weight, source.length);
    if (!noise) return { weight, recipe, isFinite };
    return { weight, recipe, isFinite, scales: await this.#drawNoise(weight, noise) };
  }

  /** Yields the blocks of a weight in order, in its dtype. The next block but one overwrites a block. */
  async *blocks({ weight, recipe, scales }: PreparedRows): AsyncGenerator<Uint8Array> {
    const rowCount = recipe.to.length === 1 ? 1 : recipe.to[0]!;
    const columns = countElements(recipe.to) / rowCount;
    const maxRows = Math.max(1, Math.floor(this.#blockBytes / byteLengthOf(recipe.dtype, columns)));
    const blockCount = Math.ceil(rowCount / maxRows);
    const maxPending = 4 * this.#workers.length;
    const pending: Promise<Uint8Array>[] = [];
    const startBlock = (n: number): Promise<Uint8Array> => {
      const at = n * maxRows;
      const rows = Math.min(maxRows, rowCount - at);
      const length = rows * columns;
      const name = `block ${this.#blocks % (maxPending + 2)}`;
      this.#blocks++;
      const buffer = this.#getBuffer(name, byteLengthOf(recipe.dtype, maxRows * columns));
      const out =
        recipe.dtype === 'float32' ? new Float32Array(buffer, 0, length) : new Uint16Array(buffer, 0, length);
      const task: RowTask = { type: 'block', weight, at, rows, out, ...(scales ? { scales } : {}) };
      const block = this.#call(n, task).then(() => new Uint8Array(buffer, 0, out.byteLength));
      block.catch(() => undefined); // the error is thrown where the block is awaited
      return block;
    };
    try {
      for (let n = 0; n < blockCount; n++) {
        while (pending.length < Math.min(blockCount, n + maxPending))
          pending.push(startBlock(pending.length));
        yield await pending[n]!;
      }
    } finally {
      await Promise.allSettled(pending); // if the caller stopped early, its memory is still being written
    }
  }

  async dispose(): Promise<void> {
    this.#endError = createError('cancelled', { what: 'Growing' });
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    this.#buffers.clear();
  }

  #startWorker(): Worker {
    const worker = new Worker(resolveWorkerUrl('row-worker', import.meta.url), {
      workerData: this.#context,
      execArgv: [],
    });
    worker.on('message', (response: RowResponse) => {
      const call = this.#pending.get(response.id);
      this.#pending.delete(response.id);
      if ('error' in response) call?.reject(new AppError(response.error.code, response.error.detail));
      else call?.resolve(response.value);
    });
    worker.on('error', (error) => {
      this.#rejectAll(error);
    });
    worker.on('exit', () => {
      this.#rejectAll(createError('internal', { message: 'a thread that grows weights ended early' }));
    });
    return worker;
  }

  async #checkFinite(weight: number, length: number): Promise<boolean> {
    const count = 4 * this.#drawCount;
    const results = await Promise.all(
      Array.from({ length: Math.ceil(length / count) }, (_, i) =>
        this.#call(i, { type: 'checkFinite', weight, offset: i * count, count }),
      ),
    );
    return !results.includes(0);
  }

  /** Draws all random numbers of a weight. Returns the scale of each noise set. */
  async #drawNoise(weight: number, noise: Noise): Promise<DrawnNoise['scales']> {
    let turn = 0;
    const callNext = (task: RowTask): Promise<number> => {
      turn++;
      return this.#call(turn - 1, task);
    };
    const powerCalls = Array.from({ length: noise.powerCount }, (_, index) =>
      callNext({ type: 'power', weight, index }),
    );
    const drawCalls = noise.sets.map(({ key, from, count }) =>
      Array.from({ length: Math.ceil(count / this.#drawCount) }, (_, i) => {
        const first = i * this.#drawCount;
        return callNext({
          type: 'draw',
          weight,
          key,
          first,
          offset: from + first,
          count: Math.min(this.#drawCount, count - first),
        });
      }),
    );
    const powers = Promise.all(powerCalls);
    const squares = await Promise.all(
      drawCalls.map(async (calls) => (await Promise.all(calls)).reduce((a, b) => a + b, 0)),
    );
    const foundPowers = await powers;
    return Float64Array.from(noise.sets, (set, i) =>
      noise.scale(set, squares[i]!, foundPowers[set.powerIndex]!),
    );
  }

  /** Two weights may be in use, so there are two buffers. */
  #noiseBuffer(weight: number, noise: Noise): Int16Array {
    const buffer = this.#getBuffer(`noise ${weight % 2}`, 2 * noise.count);
    return new Int16Array(buffer, 0, noise.count);
  }

  /** Returns the buffer `name`, which is replaced if it has fewer than `bytes` bytes. */
  #getBuffer(name: string, bytes: number): SharedArrayBuffer {
    let buffer = this.#buffers.get(name);
    if (!buffer || buffer.byteLength < bytes) {
      buffer = new SharedArrayBuffer(bytes);
      this.#buffers.set(name, buffer);
    }
    return buffer;
  }

  #call(turn: number, task: RowTask): Promise<number> {
    if (this.#endError) return Promise.reject(this.#endError);
    const id = this.#calls;
    this.#calls++;
    const message: RowMessage = { id, task };
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#workers[turn % this.#workers.length]!.postMessage(message);
    });
  }

  /** A thread has ended: rejects all pending and future calls. */
  #rejectAll(error: Error): void {
    this.#endError ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#endError);
    this.#pending.clear();
  }
}
