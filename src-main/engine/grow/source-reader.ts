/** @file Reads the source weights that a grown weight is made from, as float32 in reused shared memory. */
import { applyStages } from '../../growth/apply/apply-stages.ts';
import { listSourceWeights } from '../../growth/plan/stages.ts';
import type { GrowthPlan, TensorRecipe } from '../../growth/recipe.ts';
import {
  checkFinite,
  readTensor,
  readTensorDirect,
  type Checkpoint,
} from '../../store/checkpoint/checkpoint.ts';
import { getDirectReadCapacity } from '../../store/fs/direct-io.ts';
import { byteLengthOf, upcast } from '../../tensor/dtype.ts';
import type { BufferPool } from './buffer-pool.ts';

/** Smaller weights are read through the page cache. */
const minDirectReadBytes = 2 ** 22;

/** Returns the names of the weights that a recipe reads: one or two. */
export const listSourceNames = ({ source, second }: TensorRecipe): readonly string[] =>
  second === undefined ? [source] : [source, second];

export class SourceReader {
  readonly #source: Checkpoint;
  readonly #earlierStages: readonly GrowthPlan[];
  readonly #buffers: BufferPool;
  #reads = 0;

  constructor(source: Checkpoint, earlierStages: readonly GrowthPlan[], buffers: BufferPool) {
    this.#source = source;
    this.#earlierStages = earlierStages;
    this.#buffers = buffers;
  }

  /**
   * Returns the values of a recipe's source weights. Their memory is reused by the second read after this one.
   * They are not checked to be finite; see `checkFinite`.
   */
  async read(recipe: TensorRecipe): Promise<readonly Float32Array[]> {
    const names = listSourceNames(recipe);
    const turn = this.#reads % 2;
    this.#reads++;
    if (this.#earlierStages.length > 0) return this.#growThroughStages(names);
    return Promise.all(names.map((name, i) => this.#readReusing(name, `${turn} ${i}`)));
  }

  /** Throws `checkpoint/not-finite` with the name of the weight. */
  checkFinite(recipe: TensorRecipe, values: readonly Float32Array[]): void {
    listSourceNames(recipe).forEach((name, i) => {
      if (values[i]) checkFinite(values[i], this.#source.dir, name);
    });
  }

  /** Applies the stages before the last, in float32. */
  async #growThroughStages(names: readonly string[]): Promise<readonly Float32Array[]> {
    const origins = [...new Set(names.flatMap((name) => listSourceWeights(this.#earlierStages, name)))];
    const sources = new Map(
      await Promise.all(origins.map(async (name) => [name, await this.#readNew(name)] as const)),
    );
    return names.map((name) => applyStages(this.#earlierStages, name, sources));
  }

  /** Reads a weight into new memory and checks it. */
  async #readNew(name: string): Promise<Float32Array> {
    const { dtype } = this.#tensorOf(name);
    const values = upcast(await readTensor(this.#source, name), dtype);
    checkFinite(values, this.#source.dir, name);
    return values;
  }

  /** Reads a weight into the shared buffers of this key. */
  async #readReusing(name: string, key: string): Promise<Float32Array> {
    const { dtype, bytes } = this.#tensorOf(name);
    const aligned =
      bytes >= minDirectReadBytes
        ? this.#buffers.getAligned(`aligned ${key}`, getDirectReadCapacity(bytes))
        : undefined;
    const stored = aligned
      ? await readTensorDirect(this.#source, name, aligned)
      : await readTensor(this.#source, name, this.#buffers.getShared(`source ${key}`, bytes));
    if (dtype === 'float32') return upcast(stored, dtype);
    const count = bytes / byteLengthOf(dtype, 1);
    const memory = this.#buffers.getShared(`widened ${key}`, 4 * count);
    return upcast(stored, dtype, new Float32Array(memory.buffer, 0, count));
  }

  #tensorOf(name: string): Pick<NonNullable<ReturnType<Checkpoint['tensors']['get']>>, 'dtype' | 'bytes'> {
    return this.#source.tensors.get(name) ?? { dtype: 'float32', bytes: 0 };
  }
}
