/** @file Loads a checkpoint's weights into flat buckets on a device, and reads them back, a bucket at a time. */
import { deriveKey, normalAt } from '../../base/random.ts';
import { multiplyScales } from '../../growth/plan/stages.ts';
import { changeDType } from '../../growth/apply/change-dtype.ts';
import { stagesFromRecord } from '../../growth/plan/saved-plan.ts';
import { initialValueOf } from '../../model/initial-values.ts';
import { parametersOf, type Parameter } from '../../model/parameters.ts';
import { countElements } from '../../tensor/layout.ts';
import { upcast, type WeightDType } from '../../tensor/dtype.ts';
import { checkFinite, readTensor, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { mupInitialValue, type MupModel } from '../../train/mup.ts';
import type { Factors, OptimizerId } from '../../train/optimizers/index.ts';
import {
  bucketsOf,
  bucketKeyOf,
  stateName,
  type Bucket,
  type StatePart,
  type Trainable,
} from '../../train/state.ts';
import type { BucketModel } from '../../train/step.ts';
import { bucketElements } from '../device/choose.ts';
import type { Device } from '../ort/device.ts';
import type { DeviceTensor } from '../ort/device-tensor.ts';

/** A model whose weights are on a device. `tensors` has them by the names of the graph inputs. */
export interface LoadedModel {
  readonly model: BucketModel;
  readonly tensors: Map<string, DeviceTensor>;
  dispose(): void;
}

/** Returns the initial values of a weight, in stored order. */
export type WeightSource = (parameter: Parameter) => Promise<Float32Array>;

/** Reads the weights of a checkpoint as float32. Throws `checkpoint/not-finite`. */
export const checkpointWeights =
  (checkpoint: Checkpoint): WeightSource =>
  async ({ name }) => {
    const values = upcast(await readTensor(checkpoint, name), checkpoint.tensors.get(name)!.dtype);
    checkFinite(values, checkpoint.dir, name);
    return values;
  };

/**
 * Returns the checkpoint with another dtype in its config, and its weights in float32, so that both compute
 * the same function. The weights differ only for families that multiply embeddings by a number rounded to the
 * dtype (Gemma).
 */
export function retypeCheckpoint<C extends Checkpoint>(
  checkpoint: C,
  dtype: WeightDType,
  weights: WeightSource = checkpointWeights(checkpoint),
): { readonly checkpoint: C; readonly weights: WeightSource } {
  const { config, settings, convert } = changeDType(checkpoint, dtype);
  return {
    checkpoint: { ...checkpoint, config, settings },
    weights: async (parameter) => convert(parameter, await weights(parameter)),
  };
}

/** A model of a family at some sizes, with or without a folder. */
export type ModelShape = Pick<Checkpoint, 'family' | 'dims' | 'settings'>;

/** Returns the random initial weights of a model (model/initial-values.ts), or those of µP (train/mup.ts). */
export const randomWeights =
  (model: ModelShape, seed: number, mup?: MupModel): WeightSource =>
  (parameter) => {
    const values = new Float32Array(countElements(parameter.shape));
    const key = deriveKey(seed, 'start', parameter.name);
    const initial = mup ? mupInitialValue(mup, parameter) : initialValueOf(parameter, model);
    if ('fill' in initial) values.fill(initial.fill);
    else for (let i = 0; i < values.length; i++) values[i] = initial.std * normalAt(key, i);
    return Promise.resolve(values);
  };

/**
 * Returns the learning rate, gradient and epsilon factors of a grown checkpoint's weights, multiplied over all
 * stages of all growths; empty for a checkpoint that was not grown.
 */
export const readFactors = (checkpoint: Checkpoint): ReadonlyMap<string, Factors> =>
  multiplyScales(stagesFromRecord(checkpoint.growth, { before: true }));

/** How the model will be trained. Determines how weights are grouped into buckets. */
export interface LoadOptions {
  readonly factors?: ReadonlyMap<string, Factors>;
  readonly optimizer?: OptimizerId;
  readonly trainable?: Trainable;
  /** 1 for each entry of a weight that is trained, for weights that are masked. */
  readonly maskOf?: (parameter: Parameter) => Float32Array;
}

/** Loads the weights onto the device. They are sorted by name, like in the files they are saved to. */
export async function loadModel(
  device: Device,
  { family, dims, settings }: ModelShape,
  source: WeightSource,
  options: LoadOptions = {},
): Promise<LoadedModel> {
  const parameters = [...parametersOf(family, dims, settings)].sort((a, b) => (a.name < b.name ? -1 : 1));
  const byName = new Map(parameters.map((p) => [p.name, p]));
  const buckets = bucketsOf(family, parameters, { ...options, maxElements: bucketElements[device.kind] });
  const tensors = new Map<string, DeviceTensor>();
  const dispose = (): void => {
    for (const t of tensors.values()) t.dispose();
    tensors.clear();
  };
  try {
    for (const bucket of buckets) {
      tensors.set(
        stateName('weights', bucket),
        await uploadBucket(device, bucket, (name) => source(byName.get(name)!)),
      );
      if (!bucket.isMasked) continue;
      const mask = (name: string): Promise<Float32Array> =>
        Promise.resolve(options.maskOf!(byName.get(name)!));
      tensors.set(stateName('mask', bucket), await uploadBucket(device, bucket, mask));
    }
  } catch (error) {
    dispose();
    throw error;
  }
  return { model: { family, dims, settings, buckets }, tensors, dispose };
}

/**
 * Returns the model with another part of the training state as its weights; frozen weights have no other part. Its
 * `dispose` does nothing.
 */
export const withWeights = ({ model, tensors }: LoadedModel, part: StatePart): LoadedModel => ({
  model,
  tensors: new Map([
    ...tensors,
    ...model.buckets.map(
      (b) => [stateName('weights', b), tensors.get(stateName(b.isFrozen ? 'weights' : part, b))!] as const,
    ),
  ]),
  dispose: () => undefined,
});

/** Uploads a bucket; `values` returns the values of each of its weights. */
export async function uploadBucket(
  device: Device,
  bucket: Bucket,
  values: (name: string) => Promise<Float32Array>,
): Promise<DeviceTensor> {
  const flat = new Float32Array(bucket.length);
  for (const slot of bucket.slots) flat.set(await values(slot.name), slot.offset);
  return device.upload(flat, 'float32', [bucket.length]);
}

/**
 * Returns a function that reads one part of the state, weight by weight, as float32. The state must have the
 * part. If weights are read in the order of their names, every bucket is downloaded once, and one bucket of
 * each group is kept in memory.
 */
export function openStateReader(
  device: Device,
  { model, tensors }: LoadedModel,
  part: StatePart,
): (name: string) => Promise<Float32Array> {
  const slots = new Map(
    model.buckets.flatMap((bucket) => bucket.slots.map((slot) => [slot.name, { bucket, slot }] as const)),
  );
  const downloaded = new Map<string, { readonly bucket: Bucket; readonly values: Float32Array }>();
  return async (name) => {
    const { bucket, slot } = slots.get(name)!;
    const group = bucketKeyOf(bucket);
    let current = downloaded.get(group);
    if (current?.bucket !== bucket) {
      downloaded.delete(group); // before the download, so that two are never in memory
      const bytes = await device.download(tensors.get(stateName(part, bucket))!);
      current = { bucket, values: upcast(bytes, 'float32') };
      downloaded.set(group, current);
    }
    return current.values.subarray(slot.offset, slot.offset + slot.count);
  };
}
