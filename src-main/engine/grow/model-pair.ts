/** @file The two models of a comparison on a device: both at once, or one after the other. */
import type { AppError } from '../../base/errors.ts';
import { statisticCount } from '../../growth/compare-logits.ts';
import type { Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import type { BatchShape } from '../../train/program-shape.ts';
import { compile, selectFeeds } from '../model/programs.ts';
import { checkpointWeights, loadModel, type LoadedModel, type WeightSource } from '../model/weights.ts';
import { DeviceTensor } from '../ort/device-tensor.ts';
import type { Device } from '../ort/device.ts';
import type { Session } from '../ort/session.ts';
import {
  comparisonProgram,
  sourceLogitsName,
  sourceLogitsProgram,
  splitRows,
} from './comparison-programs.ts';

/** The source's logits of a batch, by the names of the inputs that take them. */
export interface SourceLogits {
  readonly tensors: Readonly<Record<string, DeviceTensor>>;
  dispose(): void;
}

/** A model on the device, and its program once it has run. */
interface OpenModel {
  readonly loaded: LoadedModel;
  session?: Session;
}

/** Share of the free host memory that the weights of both models may take. */
const hostShare = 0.8;

export class ModelPair {
  readonly source: Checkpoint;
  readonly grown: Checkpoint;
  readonly #device: Device;
  readonly #weights: WeightSource;
  #shape: BatchShape = { microBatch: 1, contextLength: 1 };
  /** Rows of each part of a batch. */
  #parts: readonly number[] = [];
  #keepsBoth = false;
  #openSource: OpenModel | undefined;
  #openGrown: OpenModel | undefined;

  /** `weights` are those of the source. */
  constructor(device: Device, source: Checkpoint, grown: Checkpoint, weights: WeightSource) {
    this.#device = device;
    this.source = source;
    this.grown = grown;
    this.#weights = weights;
  }

  /** Sets the shape of all batches. Call it before the first one. */
  open(shape: BatchShape): void {
    this.#shape = shape;
    this.#parts = splitRows(shape.microBatch * shape.contextLength, this.grown.dims['vocab']!);
  }

  /** Loads both models, and keeps them from here on. False if they do not fit together. */
  async loadBoth(): Promise<boolean> {
    if (!this.#fitsOnHost()) return false;
    this.#keepsBoth = true;
    try {
      await this.loadSource();
      await this.#loadGrown();
    } catch (error) {
      if ((error as AppError).code !== 'engine/out-of-memory') throw error;
      this.#keepsBoth = false;
      await this.#close('grown');
    }
    return this.#keepsBoth;
  }

  /** Whether the free memory of the host holds the weights of both models. A GPU reports it when it is full. */
  #fitsOnHost(): boolean {
    const bytes = 4 * (this.source.summary.parameters + this.grown.summary.parameters);
    return this.#device.kind !== 'cpu' || bytes < hostShare * process.availableMemory();
  }

  async loadSource(): Promise<LoadedModel> {
    if (!this.#keepsBoth) await this.#close('grown');
    this.#openSource ??= { loaded: await loadModel(this.#device, this.source, this.#weights) };
    return this.#openSource.loaded;
  }

  async #loadGrown(): Promise<OpenModel> {
    if (!this.#keepsBoth) await this.#close('source');
    this.#openGrown ??= {
      loaded: await loadModel(this.#device, this.grown, checkpointWeights(this.grown)),
    };
    return this.#openGrown;
  }

  /** Logits of windows [contextLength + 1] of the source; on the host if only one model is kept. */
  async readSource(windows: readonly Int32Array[]): Promise<SourceLogits> {
    await this.loadSource();
    const open = this.#openSource!;
    open.session ??= await compile(
      this.#device,
      sourceLogitsProgram(open.loaded.model, this.#shape, this.#parts),
    );
    const names = this.#parts.map((_, i) => sourceLogitsName(i));
    const place = this.#keepsBoth ? 'device' : 'host';
    const outputs = await this.#run(open, windows, {}, Object.fromEntries(names.map((n) => [n, place])));
    const tensors = this.#keepsBoth ? outputs : new Map([...outputs].map(([n, t]) => [n, moveToHost(t)]));
    return {
      tensors: Object.fromEntries(tensors),
      dispose: () => {
        for (const tensor of tensors.values()) tensor.dispose();
      },
    };
  }

  /** Statistics (growth/compare-logits.ts) of every position of the windows. */
  async compare(windows: readonly Int32Array[], logits: SourceLogits): Promise<Float32Array> {
    const open = await this.#loadGrown();
    const vocab = this.source.dims['vocab']!;
    open.session ??= await compile(
      this.#device,
      comparisonProgram(open.loaded.model, vocab, this.#shape, this.#parts),
    );
    const outputs = await this.#run(open, windows, logits.tensors, { statistics: 'host' });
    const tensor = outputs.get('statistics')!;
    try {
      const rows = windows.length * this.#shape.contextLength;
      return tensor.values('float32').subarray(0, rows * statisticCount);
    } finally {
      tensor.dispose();
    }
  }

  async #run(
    { loaded, session }: OpenModel,
    windows: readonly Int32Array[],
    inputs: SourceLogits['tensors'],
    fetches: Readonly<Record<string, 'host' | 'device'>>,
  ): Promise<Map<string, DeviceTensor>> {
    const { microBatch, contextLength } = this.#shape;
    const ids = new Int32Array(microBatch * (contextLength + 1));
    for (const [i, window] of windows.entries()) ids.set(window, i * (contextLength + 1));
    const tokens = DeviceTensor.fromArray(ids, 'int32', [microBatch, contextLength + 1]);
    try {
      return await session!.run({ ...selectFeeds(session!, loaded.tensors), ...inputs, tokens }, fetches);
    } finally {
      tokens.dispose();
    }
  }

  async #close(which: 'source' | 'grown'): Promise<void> {
    const open = which === 'source' ? this.#openSource : this.#openGrown;
    if (which === 'source') this.#openSource = undefined;
    else this.#openGrown = undefined;
    await open?.session?.dispose();
    open?.loaded.dispose();
  }

  async dispose(): Promise<void> {
    await this.#close('source');
    await this.#close('grown');
  }
}

/** A copy in memory that does not belong to a session, whose device memory can then be freed. */
function moveToHost(tensor: DeviceTensor): DeviceTensor {
  try {
    return DeviceTensor.allocate(tensor.dtype, tensor.shape, tensor.bytes());
  } finally {
    tensor.dispose();
  }
}
