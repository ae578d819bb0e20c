/** @file Grows weights on a GPU: a graph for each shape of weight, run on blocks of its rows. */
import { applyStages } from '../../growth/apply/apply-stages.ts';
import {
  buildGrowthFeeds,
  buildGrowthGraph,
  computeGraphAdditions,
  computeGraphKey,
  countRows,
} from '../../growth/apply/device-graph.ts';
import { listSourceWeights } from '../../growth/plan/stages.ts';
import type { GrowthPlan, TensorRecipe } from '../../growth/recipe.ts';
import { checkFinite, readTensor, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { byteLengthOf, downcast, upcast, type WeightDType } from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';
import { compile } from '../model/programs.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';
import type { Device } from '../ort/device.ts';
import type { Session } from '../ort/session.ts';
import type { BufferPool } from './buffer-pool.ts';
import { listSourceNames } from './source-reader.ts';

/** A compiled graph and the shapes of its source and its output. */
interface GrowthSession {
  readonly session: Session;
  readonly from: readonly number[];
  readonly to: readonly number[];
}

/** The source weights of a recipe, as the graph reads them. */
interface GraphSource {
  readonly values: Float32Array;
  readonly data: Float32Array | Uint8Array;
  readonly second: Float32Array | Uint8Array | undefined;
  readonly dtype: WeightDType;
  /** Whether the graph computes in float32 and the CPU converts its output to the recipe's dtype. */
  readonly isUpcast: boolean;
}

export class GraphGrower {
  readonly #device: Device;
  readonly #source: Checkpoint;
  readonly #earlierStages: readonly GrowthPlan[];
  readonly #plan: GrowthPlan;
  readonly #blockBytes: number;
  readonly #buffers: BufferPool;
  readonly #sessions = new Map<string, GrowthSession>();
  #blocks = 0;

  /** Only the last stage is computed on the device. */
  constructor(
    device: Device,
    source: Checkpoint,
    stages: readonly GrowthPlan[],
    blockBytes: number,
    buffers: BufferPool,
  ) {
    this.#device = device;
    this.#source = source;
    this.#earlierStages = stages.slice(0, -1);
    this.#plan = stages.at(-1)!;
    this.#blockBytes = blockBytes;
    this.#buffers = buffers;
  }

  /** Yields the blocks of a weight in order, as bytes of its dtype. The next block but one overwrites a block. */
  async *growWeight(recipe: TensorRecipe): AsyncGenerator<Uint8Array> {
    const { maps, from, to, request } = this.#plan;
    const rowCount = countRows(recipe);
    const columns = countElements(recipe.to) / rowCount;
    const source = await this.#readSource(recipe);
    const graphRecipe: TensorRecipe = source.isUpcast ? { ...recipe, dtype: 'float32' } : recipe;
    const maxRows = Math.max(1, Math.floor(this.#blockBytes / byteLengthOf(recipe.dtype, columns)));
    const additions = recipe.zeroOutput
      ? null
      : computeGraphAdditions(graphRecipe, maps, from, to, source.values, request.seed);
    for (let first = 0; first < rowCount; first += maxRows) {
      const rows = Math.min(maxRows, rowCount - first);
      const graph = await this.#openSession(graphRecipe, source.dtype, rows);
      if (!graph) {
        yield new Uint8Array(byteLengthOf(recipe.dtype, rows * columns));
        continue;
      }
      const block = this.#nextBlock(byteLengthOf(graphRecipe.dtype, rows * columns));
      const feeds = buildGrowthFeeds(
        graphRecipe,
        maps,
        from,
        to,
        source.values,
        request.seed,
        { at: first, rows },
        additions,
      );
      await runGraph(graph, source, feeds, block, graphRecipe.dtype);
      yield source.isUpcast ? downcast(upcast(block, 'float32'), recipe.dtype) : block;
    }
  }

  async dispose(): Promise<void> {
    for (const { session } of this.#sessions.values()) await session.dispose();
    this.#sessions.clear();
  }

  #nextBlock(bytes: number): Uint8Array {
    const block = this.#buffers.get(`block ${this.#blocks % 2}`, bytes);
    this.#blocks++;
    return block;
  }

  /** Whether the device computes in this dtype. Otherwise the CPU converts to and from float32. */
  #supports(dtype: WeightDType): boolean {
    return this.#device.kind !== 'webgpu' || dtype === 'float32';
  }

  /** Reads the source weights of a recipe. Throws `checkpoint/not-finite`. */
  async #readSource(recipe: TensorRecipe): Promise<GraphSource> {
    if (this.#earlierStages.length > 0) return this.#growThroughStages(recipe);
    const dtypeOf = (name: string): WeightDType => this.#source.tensors.get(name)?.dtype ?? 'float32';
    const dtype = dtypeOf(recipe.source);
    const bytes = await readTensor(
      this.#source,
      recipe.source,
      this.#buffers.get('source', this.#source.tensors.get(recipe.source)?.bytes ?? 0),
    );
    const values = upcast(bytes, dtype);
    checkFinite(values, this.#source.dir, recipe.source);
    const secondDType = recipe.second === undefined ? dtype : dtypeOf(recipe.second);
    const isUpcast = !this.#supports(dtype) || !this.#supports(recipe.dtype) || secondDType !== dtype;
    const source = {
      values,
      data: isUpcast ? values : bytes,
      second: undefined,
      dtype: isUpcast ? 'float32' : dtype,
      isUpcast,
    } as const;
    if (recipe.second === undefined) return source;
    const secondBytes = await readTensor(this.#source, recipe.second);
    const secondValues = upcast(secondBytes, secondDType);
    checkFinite(secondValues, this.#source.dir, recipe.second);
    return { ...source, second: isUpcast ? secondValues : secondBytes };
  }

  /** Applies the stages before the last on the CPU, in float32. */
  async #growThroughStages(recipe: TensorRecipe): Promise<GraphSource> {
    const names = listSourceNames(recipe);
    const sources = new Map<string, Float32Array>();
    for (const name of new Set(names.flatMap((n) => listSourceWeights(this.#earlierStages, n)))) {
      const { dtype } = this.#source.tensors.get(name) ?? { dtype: 'float32' };
      const values = upcast(await readTensor(this.#source, name), dtype);
      checkFinite(values, this.#source.dir, name);
      sources.set(name, values);
    }
    const [values, second] = names.map((name) => applyStages(this.#earlierStages, name, sources));
    const isUpcast = !this.#supports(recipe.dtype);
    return { values: values!, data: values!, second, dtype: 'float32', isUpcast };
  }

  /** Returns the session for `rows` rows of a recipe; undefined if all of them are zero. */
  async #openSession(
    recipe: TensorRecipe,
    dtype: WeightDType,
    rows: number,
  ): Promise<GrowthSession | undefined> {
    const { maps, from, to } = this.#plan;
    const key = computeGraphKey(recipe, maps, dtype, rows);
    if (key === null) return undefined;
    const existing = this.#sessions.get(key);
    if (existing) return existing;
    const graph = buildGrowthGraph(recipe, maps, from, to, dtype, rows);
    const session: GrowthSession = {
      session: await compile(this.#device, graph, { arena: false, memoryPattern: false }),
      from: graph.inputs.find((v) => v.name === 'source')!.shape,
      to: graph.outputs['grown']!.shape,
    };
    this.#sessions.set(key, session);
    return session;
  }
}

/** Runs a graph and writes the grown rows to `block`. */
async function runGraph(
  { session, from, to }: GrowthSession,
  source: GraphSource,
  feeds: ReturnType<typeof buildGrowthFeeds>,
  block: Uint8Array,
  dtype: WeightDType,
): Promise<void> {
  const inputs: Record<string, DeviceTensor> = {
    source: DeviceTensor.fromArray(source.data, source.dtype, from),
  };
  const grown = DeviceTensor.fromArray(block, dtype, to);
  try {
    if (source.second) inputs['second'] = DeviceTensor.fromArray(source.second, source.dtype, from);
    for (const [name, feed] of Object.entries(feeds))
      inputs[name] = DeviceTensor.fromArray(feed.data, feed.dtype, feed.shape);
    await session.run(inputs, { grown });
  } finally {
    grown.dispose();
    for (const tensor of Object.values(inputs)) tensor.dispose();
  }
}
