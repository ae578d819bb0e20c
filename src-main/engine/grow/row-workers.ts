/** @file Grown rows made by several threads in memory that they share: who does what changes no byte. */
import { Worker } from 'node:worker_threads';
import { AppError, appError, type ErrorData } from '../../base/errors.ts';
import type { DrawnNoise } from '../../growth/apply/noise.ts';
import type { TensorRecipe } from '../../growth/recipe.ts';
import { rowWork, type RowPlan } from '../../growth/apply/rows.ts';
import { bytesOf } from '../../tensor/dtype.ts';
import { countOf } from '../../tensor/layout.ts';
import { workerFile } from '../../store/fs/worker-file.ts';

/** A weight to be made, and its number; arrays are shared. */
export interface RowWeight {
  readonly do: 'weight';
  readonly of: number;
  readonly recipe: TensorRecipe;
  readonly source: Float32Array;
  readonly second?: Float32Array;
  readonly bells?: Int16Array;
}
export type RowTask =
  | RowWeight
  | { readonly do: 'finite'; readonly of: number; readonly at: number; readonly count: number }
  | { readonly do: 'power'; readonly of: number; readonly index: number }
  | {
      readonly do: 'draw';
      readonly of: number;
      readonly key: number;
      readonly first: number;
      readonly at: number;
      readonly count: number;
    }
  | {
      readonly do: 'block';
      readonly of: number;
      readonly at: number;
      readonly rows: number;
      readonly out: Float32Array | Uint16Array;
      readonly units?: Float64Array;
    };
export interface RowMessage {
  readonly id: number;
  readonly task: RowTask;
}
export type RowAnswer =
  { readonly id: number; readonly value: number } | { readonly id: number; readonly error: ErrorData };

export interface PieceSizes {
  /** Bytes of a block (2 MiB): what lies in a core's own cache is not fetched again to be written. */
  readonly blockBytes?: number;
  /** Numbers drawn by one task (2^20). */
  readonly numbers?: number;
}

/** A weight whose blocks can be made; `finite`: whether its source is numbers all through. */
export interface PreparedRows {
  readonly of: number;
  readonly recipe: TensorRecipe;
  readonly finite: boolean;
  readonly units?: DrawnNoise['units'];
}

export class RowWorkers {
  readonly #plan: RowPlan;
  readonly #blockBytes: number;
  readonly #numbers: number;
  readonly #workers: readonly Worker[];
  readonly #waiting = new Map<
    number,
    { readonly resolve: (value: number) => void; readonly reject: (error: unknown) => void }
  >();
  readonly #memory = new Map<string, SharedArrayBuffer>();
  #next = 0;
  #turn = 0;
  #weights = 0;
  #ended: Error | undefined;

  constructor(plan: RowPlan, threads: number, { blockBytes = 2 ** 21, numbers = 2 ** 20 }: PieceSizes = {}) {
    this.#plan = plan;
    this.#blockBytes = blockBytes;
    this.#numbers = numbers;
    this.#workers = Array.from({ length: threads }, () => {
      const worker = new Worker(workerFile('row-worker', import.meta.url), {
        workerData: plan,
        execArgv: [],
      });
      worker.on('message', (answer: RowAnswer) => {
        const waits = this.#waiting.get(answer.id);
        this.#waiting.delete(answer.id);
        if ('error' in answer) waits?.reject(new AppError(answer.error.code, answer.error.detail));
        else waits?.resolve(answer.value);
      });
      worker.on('error', (error) => {
        this.#end(error);
      });
      worker.on('exit', () => {
        this.#end(appError('internal', { message: 'a thread that made grown rows ended early' }));
      });
      return worker;
    });
  }

  /**
   * Makes a weight ready: its noise is drawn, also while another's blocks are made. At most one beside that
   * which is made; `source` and `second` are in shared memory.
   */
  async prepare(
    recipe: TensorRecipe,
    source: Float32Array,
    second: Float32Array | undefined,
  ): Promise<PreparedRows> {
    const of = this.#weights++;
    const { noise } = rowWork(recipe, this.#plan, source, second, (bytes) => new ArrayBuffer(bytes));
    const bells = noise
      ? new Int16Array(this.room(`numbers ${of % 2}`, 2 * noise.count), 0, noise.count)
      : undefined;
    await Promise.all(
      this.#workers.map((_, i) =>
        this.#call(i, {
          do: 'weight',
          of,
          recipe,
          source,
          ...(second ? { second } : {}),
          ...(bells ? { bells } : {}),
        }),
      ),
    );
    const most = 4 * this.#numbers;
    const finite = await Promise.all(
      Array.from({ length: Math.ceil(source.length / most) }, (_, i) =>
        this.#call(i, { do: 'finite', of, at: i * most, count: most }),
      ),
    );
    return {
      of,
      recipe,
      finite: !finite.includes(0),
      ...(noise ? { units: await this.#drawn(of, noise) } : {}),
    };
  }

  /** The blocks of a weight in order, in its dtype. A block is overwritten by the next but one. */
  async *blocks({ of, recipe, units }: PreparedRows): AsyncGenerator<Uint8Array> {
    const all = recipe.to.length === 1 ? 1 : recipe.to[0]!;
    const columns = countOf(recipe.to) / all;
    const most = Math.max(1, Math.floor(this.#blockBytes / bytesOf(recipe.dtype, columns)));
    const count = Math.ceil(all / most);
    const ahead = 4 * this.#workers.length;
    const slots = ahead + 2;
    const under: Promise<Uint8Array>[] = [];
    const start = (n: number): void => {
      const at = n * most;
      const rows = Math.min(most, all - at);
      const length = rows * columns;
      const memory = this.room(`block ${this.#turn++ % slots}`, bytesOf(recipe.dtype, most * columns));
      const out =
        recipe.dtype === 'float32' ? new Float32Array(memory, 0, length) : new Uint16Array(memory, 0, length);
      under[n] = this.#call(n, { do: 'block', of, at, rows, out, ...(units ? { units } : {}) }).then(
        () => new Uint8Array(memory, 0, out.byteLength),
      );
      under[n].catch(() => undefined); // heard when its turn comes
    };
    try {
      for (let n = 0; n < count; n++) {
        for (let m = under.length; m < Math.min(count, n + ahead); m++) start(m);
        yield await under[n]!;
      }
    } finally {
      await Promise.allSettled(under);
    } // left early, its memory must not be written any more
  }

  /** Shared memory of this name, at least as long, used again each time. */
  room(name: string, bytes: number): SharedArrayBuffer {
    let memory = this.#memory.get(name);
    if (!memory || memory.byteLength < bytes) this.#memory.set(name, (memory = new SharedArrayBuffer(bytes)));
    return memory;
  }

  async dispose(): Promise<void> {
    this.#ended = appError('cancelled', { what: 'Growing' });
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    this.#memory.clear();
  }

  /** All numbers and powers of a weight's noise, and from them what each set is multiplied by. */
  async #drawn(
    of: number,
    noise: NonNullable<ReturnType<typeof rowWork>['noise']>,
  ): Promise<DrawnNoise['units']> {
    const most = this.#numbers;
    let turn = 0;
    const powers = Promise.all(
      Array.from({ length: noise.powers }, (_, index) => this.#call(turn++, { do: 'power', of, index })),
    );
    const squares = await Promise.all(
      noise.sets.map(async ({ key, from, count }) => {
        const parts = Array.from({ length: Math.ceil(count / most) }, (_, i) =>
          this.#call(turn++, {
            do: 'draw',
            of,
            key,
            first: i * most,
            at: from + i * most,
            count: Math.min(most, count - i * most),
          }),
        );
        return (await Promise.all(parts)).reduce((a, b) => a + b, 0);
      }),
    );
    const found = await powers;
    return Float64Array.from(noise.sets, (set, i) => noise.unit(set, squares[i]!, found[set.power]!));
  }

  #call(turn: number, task: RowTask): Promise<number> {
    if (this.#ended) return Promise.reject(this.#ended);
    const id = this.#next++;
    const message: RowMessage = { id, task };
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#workers[turn % this.#workers.length]!.postMessage(message);
    });
  }

  /** A thread is gone: nothing that waits will be answered. */
  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}
