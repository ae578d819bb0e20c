/**
 * @file Grown weights in blocks of rows, made in memory that is used again: by threads of the processor, or
 * by graphs on another device. While a block is written the next is made, and the weight after it is read.
 */
import { applyChain, originsOf } from '../../growth/plan/chain.ts';
import {
  growthAdditions,
  growthFeeds,
  growthGraph,
  growthGraphKey,
  rowsOf,
} from '../../growth/apply/device-graph.ts';
import type { GrowthPlan, TensorRecipe } from '../../growth/recipe.ts';
import { inPieces, rowWork, type RowPlan } from '../../growth/apply/rows.ts';
import { drawNoise } from '../../growth/apply/noise.ts';
import {
  checkFinite,
  readLargeTensor,
  readTensor,
  type Checkpoint,
} from '../../store/checkpoint/checkpoint.ts';
import { physicalCores } from '../../store/fs/cores.ts';
import { alignedShared, roomFor } from '../../store/fs/past-cache.ts';
import { bytesOf, narrow, widen, type WeightDType } from '../../tensor/dtype.ts';
import { countOf } from '../../tensor/layout.ts';
import { checkRange } from '../../tensor/range.ts';
import { fastBells } from './approximate-normals.ts';
import type { Device } from '../ort/device.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';
import type { Session } from '../ort/session.ts';
import { compile } from '../model/programs.ts';
import { RowWorkers, type PreparedRows } from './row-workers.ts';

/** A graph opened once for all weights of one form, and the shapes it takes and gives. */
interface Opened {
  readonly session: Session;
  readonly from: readonly number[];
  readonly to: readonly number[];
}

/**
 * Whether a device computes with this type of weights itself; where it does not, the processor widens and
 * narrows.
 */
const hasType = (device: Device, dtype: WeightDType): boolean =>
  device.kind !== 'webgpu' || dtype === 'float32';

const bytesIn = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** A weight that is being read, and made ready by threads if it is large. */
interface Begun {
  readonly recipe: TensorRecipe;
  readonly values: Promise<readonly Float32Array[]>;
  readonly prepared?: Promise<PreparedRows>;
}

/** A weight of fewer values is made here: to tell threads of it would take longer. */
const leastShared = 2 ** 21;
/** Fewer bytes are read through the system's cache. */
const leastDirect = 2 ** 22;
/** More threads than this would wait for the disk. */
const mostThreads = 4;

export class Grower {
  readonly #device: Device;
  readonly #source: Checkpoint;
  readonly #before: readonly GrowthPlan[];
  readonly #plan: GrowthPlan;
  readonly #blockBytes: number;
  readonly #opened = new Map<string, Opened>();
  readonly #memory = new Map<string, ArrayBufferLike>();
  readonly #draw = fastBells();
  #workers: RowWorkers | undefined;
  #ahead: Begun | undefined;
  #reads = 0;
  #turn = 0;

  /**
   * `stages`: the last is made on the device, those before it weight by weight in memory. `blockBytes`: of
   * output made at once, or one row if that is more.
   */
  constructor(device: Device, source: Checkpoint, stages: readonly GrowthPlan[], blockBytes: number) {
    this.#device = device;
    this.#source = source;
    this.#before = stages.slice(0, -1);
    this.#plan = stages.at(-1)!;
    this.#blockBytes = blockBytes;
  }

  /**
   * One weight, as bytes of its dtype. A block is overwritten by the next but one. What `next` needs is read
   * meanwhile.
   */
  async *weight(recipe: TensorRecipe, next?: TensorRecipe): AsyncGenerator<Uint8Array> {
    if (this.#device.kind === 'cpu') {
      yield* this.#byRows(recipe, next);
      return;
    }
    for await (const block of this.#byGraph(recipe)) {
      checkRange(block, recipe.dtype, recipe.name);
      yield block;
    }
  }

  /**
   * On the processor JavaScript copies rows faster than a graph gathers them, large weights in several
   * threads.
   */
  async *#byRows(recipe: TensorRecipe, next: TensorRecipe | undefined): AsyncGenerator<Uint8Array> {
    const {
      maps,
      from,
      to,
      request: { seed },
    } = this.#plan;
    const plan: RowPlan = { maps, from, to, seed };
    const all = rowsOf(recipe);
    const columns = countOf(recipe.to) / all;
    const { values, prepared } = this.#ahead?.recipe === recipe ? this.#ahead : this.#begun(recipe, plan);
    const [source, second] = await values;
    this.#ahead = next && this.#before.length === 0 ? this.#begun(next, plan) : undefined;
    if (prepared) {
      const ready = await prepared;
      if (!ready.finite) this.#checkAll(recipe, [source, second]);
      yield* this.#workers!.blocks(ready);
      return;
    }
    this.#checkAll(recipe, [source, second]);
    const work = rowWork(
      recipe,
      plan,
      source!,
      second,
      (bytes) => this.#room('wide', bytes).buffer as ArrayBuffer,
    );
    const { noise } = work;
    const drawn =
      noise &&
      drawNoise(
        noise,
        new Int16Array(this.#room('noise', 2 * noise.count).buffer, 0, noise.count),
        this.#draw,
      );
    const most = Math.max(1, Math.floor(this.#blockBytes / bytesOf(recipe.dtype, columns)));
    for (let at = 0; at < all; at += most) {
      const rows = Math.min(most, all - at);
      const block = this.#room(`block ${this.#turn++ % 2}`, bytesOf(recipe.dtype, rows * columns));
      work.make(
        recipe.dtype === 'float32'
          ? new Float32Array(block.buffer, 0, rows * columns)
          : new Uint16Array(block.buffer, 0, rows * columns),
        { at, rows },
        drawn,
      );
      checkRange(block, recipe.dtype, recipe.name);
      yield block;
    }
  }

  /**
   * Starts to read what a weight is made from and, where threads make it, to draw its noise. A failure is
   * heard when its turn comes.
   */
  #begun(recipe: TensorRecipe, plan: RowPlan): Begun {
    const values = this.#values(recipe);
    const threads = Math.min(mostThreads, physicalCores());
    values.catch(() => undefined);
    if (countOf(recipe.to) < leastShared || threads < 2 || !inPieces(recipe)) return { recipe, values };
    const workers = (this.#workers ??= new RowWorkers(plan, threads));
    const prepared = values.then(([source, second]) =>
      workers.prepare(recipe, this.#shared('first', source!), second && this.#shared('second', second)),
    );
    prepared.catch(() => undefined);
    return { recipe, values, prepared };
  }

  async *#byGraph(recipe: TensorRecipe): AsyncGenerator<Uint8Array> {
    const {
      maps,
      from,
      to,
      request: { seed },
    } = this.#plan;
    const all = rowsOf(recipe);
    const columns = countOf(recipe.to) / all;
    const { bytes, values, second, wide, stored } = await this.#read(recipe);
    const there: TensorRecipe = wide ? { ...recipe, dtype: 'float32' } : recipe;
    const most = Math.max(1, Math.floor(this.#blockBytes / bytesOf(recipe.dtype, columns)));
    const additions = recipe.silent ? null : growthAdditions(there, maps, from, to, values, seed);
    for (let at = 0; at < all; at += most) {
      const rows = Math.min(most, all - at);
      const opened = await this.#open(there, stored, rows);
      if (!opened) {
        yield new Uint8Array(bytesOf(recipe.dtype, rows * columns));
        continue;
      }
      const made = this.#room(`block ${this.#turn++ % 2}`, bytesOf(there.dtype, rows * columns));
      const feeds: Record<string, DeviceTensor> = {
        source: DeviceTensor.over(wide ? values : bytes, stored, opened.from),
      };
      const grown = DeviceTensor.over(made, there.dtype, opened.to);
      try {
        if (second) feeds['second'] = DeviceTensor.over(second, stored, opened.from);
        for (const [name, feed] of Object.entries(
          growthFeeds(there, maps, from, to, values, seed, { at, rows }, additions),
        ))
          feeds[name] = DeviceTensor.over(feed.data, feed.dtype, feed.shape);
        await opened.session.run(feeds, { grown });
      } finally {
        grown.dispose();
        for (const tensor of Object.values(feeds)) tensor.dispose();
      }
      yield wide ? narrow(widen(made, 'float32'), recipe.dtype) : made;
    }
  }

  async dispose(): Promise<void> {
    await this.#ahead?.values.catch(() => undefined);
    await this.#workers?.dispose();
    for (const { session } of this.#opened.values()) await session.dispose();
    this.#opened.clear();
    this.#memory.clear();
  }

  /** Refuses what is not finite, by the name of the weight that a recipe reads. */
  #checkAll(recipe: TensorRecipe, values: readonly (Float32Array | undefined)[]): void {
    [recipe.source, recipe.second].forEach((name, i) => {
      if (values[i]) checkFinite(values[i], this.#source.dir, name!);
    });
  }

  /** What a recipe reads, widened. */
  async #values(recipe: TensorRecipe): Promise<readonly Float32Array[]> {
    const names = recipe.second === undefined ? [recipe.source] : [recipe.source, recipe.second];
    const turn = this.#reads++ % 2;
    if (this.#before.length === 0)
      return Promise.all(names.map((name, i) => this.#stored(name, `${turn} ${i}`)));
    const origins = [...new Set(names.flatMap((n) => originsOf(this.#before, n)))];
    const sources = new Map(
      await Promise.all(origins.map(async (name) => [name, await this.#stored(name)] as const)),
    );
    return names.map((name) => applyChain(this.#before, name, sources));
  }

  /** One weight of the source, widened; in shared memory of this name and not checked, if one is given. */
  async #stored(name: string, room?: string): Promise<Float32Array> {
    const { dtype, bytes } = this.#source.refs.get(name) ?? { dtype: 'float32', bytes: 0 };
    const count = bytes / bytesOf(dtype, 1);
    const memory =
      room !== undefined && bytes >= leastDirect ? this.#aligned(room, roomFor(bytes)) : undefined;
    const read = memory
      ? await readLargeTensor(this.#source, name, memory)
      : await readTensor(
          this.#source,
          name,
          room === undefined ? undefined : this.#room(`source ${room}`, bytes, true),
        );
    const values = widen(
      read,
      dtype,
      room === undefined || dtype === 'float32'
        ? undefined
        : new Float32Array(this.#room(`widened ${room}`, 4 * count, true).buffer, 0, count),
    );
    if (room === undefined) checkFinite(values, this.#source.dir, name);
    return values;
  }

  /** Values where other threads see them. */
  #shared(room: string, values: Float32Array): Float32Array {
    if (values.buffer instanceof SharedArrayBuffer) return values;
    const out = new Float32Array(
      this.#room(`shared ${room}`, values.byteLength, true).buffer,
      0,
      values.length,
    );
    out.set(values);
    return out;
  }

  /**
   * The source's values, as they are stored and widened; `wide` where the device must be given float32.
   * Refuses what is not finite.
   */
  async #read(recipe: TensorRecipe) {
    if (this.#before.length > 0) return this.#staged(recipe);
    const dtypeOf = (name: string): WeightDType => this.#source.refs.get(name)?.dtype ?? 'float32';
    const dtype = dtypeOf(recipe.source);
    const bytes = await readTensor(
      this.#source,
      recipe.source,
      this.#room('source', this.#source.refs.get(recipe.source)?.bytes ?? 0),
    );
    const values = widen(bytes, dtype);
    const other = recipe.second === undefined ? dtype : dtypeOf(recipe.second);
    checkFinite(values, this.#source.dir, recipe.source);
    const wide = !hasType(this.#device, dtype) || !hasType(this.#device, recipe.dtype) || other !== dtype;
    const stored: WeightDType = wide ? 'float32' : dtype;
    if (recipe.second === undefined) return { bytes, values, second: undefined, wide, stored };
    const more = await readTensor(this.#source, recipe.second);
    const wider = widen(more, other);
    checkFinite(wider, this.#source.dir, recipe.second);
    return { bytes, values, second: wide ? wider : more, wide, stored };
  }

  /** The values that the stages before the last make of the source's, in float32 and never rounded. */
  async #staged(recipe: TensorRecipe) {
    const names = recipe.second === undefined ? [recipe.source] : [recipe.source, recipe.second];
    const sources = new Map<string, Float32Array>();
    for (const name of new Set(names.flatMap((n) => originsOf(this.#before, n)))) {
      const found = widen(
        await readTensor(this.#source, name),
        this.#source.refs.get(name)?.dtype ?? 'float32',
      );
      checkFinite(found, this.#source.dir, name);
      sources.set(name, found);
    }
    const [values, second] = names.map((name) => applyChain(this.#before, name, sources));
    const bytes = bytesIn(values!);
    return {
      bytes,
      values: values!,
      second: second && (hasType(this.#device, recipe.dtype) ? bytesIn(second) : second),
      wide: !hasType(this.#device, recipe.dtype),
      stored: 'float32' as const,
    };
  }

  /** The session for this many rows of a recipe; undefined where all of them are zero. */
  async #open(recipe: TensorRecipe, stored: WeightDType, rows: number): Promise<Opened | undefined> {
    const { maps, from, to } = this.#plan;
    const key = growthGraphKey(recipe, maps, stored, rows);
    if (key === null) return undefined;
    const known = this.#opened.get(key);
    if (known) return known;
    const graph = growthGraph(recipe, maps, from, to, stored, rows);
    const made: Opened = {
      session: await compile(this.#device, graph, { arena: false, memoryPattern: false }),
      from: graph.inputs.find((v) => v.name === 'source')!.shape,
      to: graph.outputs['grown']!.shape,
    };
    this.#opened.set(key, made);
    return made;
  }

  /**
   * Shared memory to read into past the system's cache, used again each time; undefined where a weight is too
   * large for it.
   */
  #aligned(room: string, bytes: number): SharedArrayBuffer | undefined {
    const name = `aligned ${room}`;
    const known = this.#memory.get(name) as SharedArrayBuffer | undefined;
    if (known && known.byteLength >= bytes) return known;
    const memory = alignedShared(bytes);
    if (memory) this.#memory.set(name, memory);
    return memory;
  }

  /** Memory of this name, at least as long, used again each time. */
  #room(name: string, bytes: number, shared = false): Uint8Array {
    let memory = this.#memory.get(name);
    if (!memory || memory.byteLength < bytes)
      this.#memory.set(name, (memory = shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes)));
    return new Uint8Array(memory, 0, bytes);
  }
}
