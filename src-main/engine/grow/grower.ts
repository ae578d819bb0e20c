/**
 * @file Grows weights in blocks of rows: on the CPU in JavaScript, large weights in several threads; on other
 * devices with graphs. The next weight is read while the current one is computed and written.
 */
import { countRows } from '../../growth/apply/device-graph.ts';
import { drawNoise } from '../../growth/apply/noise.ts';
import { canSplitIntoBlocks, createRowMaker, type RowContext } from '../../growth/apply/row-maker.ts';
import type { GrowthPlan, TensorRecipe } from '../../growth/recipe.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { countPhysicalCores } from '../../store/fs/cores.ts';
import { byteLengthOf } from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';
import { checkOverflow } from '../../tensor/range.ts';
import type { Device } from '../ort/device.ts';
import { loadApproximateNormals } from './approximate-normals.ts';
import { BufferPool } from './buffer-pool.ts';
import { GraphGrower } from './graph-grower.ts';
import { RowWorkers, type PreparedRows } from './row-workers.ts';
import { SourceReader } from './source-reader.ts';

/** A weight whose source is being read, and whose noise is being drawn if threads will compute it. */
interface PendingWeight {
  readonly recipe: TensorRecipe;
  readonly values: Promise<readonly Float32Array[]>;
  readonly prepared?: Promise<PreparedRows>;
}

/** Weights with fewer elements are computed on the main thread: the messages to threads would take longer. */
const minElementsForThreads = 2 ** 21;
/** More threads than this would wait for the disk. */
const maxThreads = 4;

export class Grower {
  readonly #context: RowContext;
  readonly #hasEarlierStages: boolean;
  readonly #blockBytes: number;
  readonly #buffers = new BufferPool();
  readonly #reader: SourceReader;
  readonly #graphGrower: GraphGrower | undefined;
  readonly #draw = loadApproximateNormals();
  #workers: RowWorkers | undefined;
  #next: PendingWeight | undefined;
  #blocks = 0;

  /**
   * Earlier stages than the last are applied to whole weights in memory. A block has at most `blockBytes`
   * bytes, or one row if that is more.
   */
  constructor(device: Device, source: Checkpoint, stages: readonly GrowthPlan[], blockBytes: number) {
    const { maps, from, to, request } = stages.at(-1)!;
    this.#context = { maps, from, to, seed: request.seed };
    this.#hasEarlierStages = stages.length > 1;
    this.#blockBytes = blockBytes;
    this.#reader = new SourceReader(source, stages.slice(0, -1), this.#buffers);
    if (device.kind !== 'cpu')
      this.#graphGrower = new GraphGrower(device, source, stages, blockBytes, this.#buffers);
  }

  /**
   * Yields the blocks of a weight in order, as bytes of its dtype. The next block but one overwrites a block.
   * The source of `next` is read meanwhile.
   */
  async *growWeight(recipe: TensorRecipe, next?: TensorRecipe): AsyncGenerator<Uint8Array> {
    if (!this.#graphGrower) {
      yield* this.#growOnCpu(recipe, next);
      return;
    }
    for await (const block of this.#graphGrower.growWeight(recipe)) {
      checkOverflow(block, recipe.dtype, recipe.name);
      yield block;
    }
  }

  /** JavaScript copies rows faster on the CPU than ONNX Runtime gathers them. */
  async *#growOnCpu(recipe: TensorRecipe, next: TensorRecipe | undefined): AsyncGenerator<Uint8Array> {
    const { values, prepared } = this.#next?.recipe === recipe ? this.#next : this.#startReading(recipe);
    const sources = await values;
    this.#next = next && !this.#hasEarlierStages ? this.#startReading(next) : undefined;
    if (!prepared) {
      this.#reader.checkFinite(recipe, sources);
      yield* this.#growOnMainThread(recipe, sources);
      return;
    }
    const rows = await prepared;
    if (!rows.isFinite) this.#reader.checkFinite(recipe, sources);
    yield* this.#workers!.blocks(rows);
  }

  *#growOnMainThread(recipe: TensorRecipe, [source, second]: readonly Float32Array[]): Generator<Uint8Array> {
    const rowCount = countRows(recipe);
    const columns = countElements(recipe.to) / rowCount;
    const getBuffer = (bytes: number): ArrayBuffer => this.#buffers.get('wide', bytes).buffer;
    const maker = createRowMaker(recipe, this.#context, source!, second, getBuffer);
    const drawn = maker.noise && this.#drawNoise(maker.noise);
    const maxRows = Math.max(1, Math.floor(this.#blockBytes / byteLengthOf(recipe.dtype, columns)));
    for (let first = 0; first < rowCount; first += maxRows) {
      const rows = Math.min(maxRows, rowCount - first);
      const length = rows * columns;
      const block = this.#nextBlock(byteLengthOf(recipe.dtype, length));
      const values =
        recipe.dtype === 'float32'
          ? new Float32Array(block.buffer, 0, length)
          : new Uint16Array(block.buffer, 0, length);
      maker.make(values, { at: first, rows }, drawn);
      checkOverflow(block, recipe.dtype, recipe.name);
      yield block;
    }
  }

  #drawNoise(noise: Parameters<typeof drawNoise>[0]): ReturnType<typeof drawNoise> {
    const { buffer } = this.#buffers.get('noise', 2 * noise.count);
    return drawNoise(noise, new Int16Array(buffer, 0, noise.count), this.#draw);
  }

  #nextBlock(bytes: number): Uint8Array<ArrayBuffer> {
    const block = this.#buffers.get(`block ${this.#blocks % 2}`, bytes);
    this.#blocks++;
    return block;
  }

  /**
   * Starts to read the source of a weight and, if threads compute it, to draw its noise. Errors are thrown
   * where the promises are awaited.
   */
  #startReading(recipe: TensorRecipe): PendingWeight {
    const values = this.#reader.read(recipe);
    values.catch(() => undefined);
    const threads = Math.min(maxThreads, countPhysicalCores());
    const isLarge = countElements(recipe.to) >= minElementsForThreads;
    if (!isLarge || threads < 2 || !canSplitIntoBlocks(recipe)) return { recipe, values };
    this.#workers ??= new RowWorkers(this.#context, threads);
    const workers = this.#workers;
    const prepared = values.then(([source, second]) =>
      workers.prepare(recipe, this.#share('first', source!), second && this.#share('second', second)),
    );
    prepared.catch(() => undefined);
    return { recipe, values, prepared };
  }

  /** Returns the values in shared memory; copies them if they are not. */
  #share(name: string, values: Float32Array): Float32Array {
    if (values.buffer instanceof SharedArrayBuffer) return values;
    const { buffer } = this.#buffers.getShared(`shared ${name}`, values.byteLength);
    const shared = new Float32Array(buffer, 0, values.length);
    shared.set(values);
    return shared;
  }

  async dispose(): Promise<void> {
    await this.#next?.values.catch(() => undefined);
    await this.#workers?.dispose();
    await this.#graphGrower?.dispose();
    this.#buffers.clear();
  }
}
