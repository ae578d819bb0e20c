/**
 * @file A checkpoint's weights as flat buckets on a device, and back: every weight passes through the
 * processor one bucket at a time.
 */
import { keyOf, normalAt } from '../../base/random.ts';
import { factorsThrough } from '../../growth/plan/chain.ts';
import { retyping } from '../../growth/apply/retype.ts';
import { stagesOf } from '../../growth/plan/saved-plan.ts';
import { parametersOf, type Parameter } from '../../model/parameters.ts';
import { hasAxis } from '../../tensor/layout.ts';
import { widen, type WeightDType } from '../../tensor/dtype.ts';
import { checkFinite, readTensor, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import type { Factors, OptimizerId } from '../../train/optimizers/index.ts';
import { bucketsOf, kindOf, stateName, type Bucket, type StatePart } from '../../train/state.ts';
import type { BucketModel } from '../../train/step.ts';
import { bucketElements } from '../device/choose.ts';
import type { Device } from '../ort/device.ts';
import type { DeviceTensor } from '../ort/device-tensor.ts';

/** A model whose weights are on a device, under the names of its graphs' inputs. */
export interface Loaded {
  readonly model: BucketModel;
  readonly tensors: Map<string, DeviceTensor>;
  dispose(): void;
}

/** Tokens a model can read at once; infinite where it does not say. */
export const positionsOf = ({ dims, settings }: Pick<BucketModel, 'dims' | 'settings'>): number =>
  dims['positions'] ?? Number(settings['positions'] ?? Infinity);

/** What one weight starts from: its values in stored order. */
export type WeightSource = (parameter: Parameter) => Promise<Float32Array>;

/** The weights of a checkpoint, widened to float32. Refuses `checkpoint/not-finite`. */
export const fromCheckpoint =
  (checkpoint: Checkpoint): WeightSource =>
  async ({ name }) => {
    const values = widen(await readTensor(checkpoint, name), checkpoint.refs.get(name)!.dtype);
    checkFinite(values, checkpoint.dir, name);
    return values;
  };

/**
 * A checkpoint as one of another element type, and its weights as that one's, in float32: the same function,
 * also where the family multiplies embeddings by a number rounded to the type.
 */
export function retyped<C extends Checkpoint>(
  checkpoint: C,
  dtype: WeightDType,
  weights: WeightSource = fromCheckpoint(checkpoint),
): { readonly checkpoint: C; readonly weights: WeightSource } {
  const { config, settings, values } = retyping(checkpoint, dtype);
  return {
    checkpoint: { ...checkpoint, config, settings },
    weights: async (parameter) => values(parameter, await weights(parameter)),
  };
}

/**
 * Random weights of the same size: normal with the family's deviation, writers of the stream smaller by
 * sqrt(2·layers) (Radford et al. 2019), gains one, the rest zero.
 */
export const fromRandom =
  (checkpoint: Checkpoint, seed: number): WeightSource =>
  ({ name, spec, layer, shape }) => {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    const key = keyOf(seed, 'start', name);
    const { family, dims, settings } = checkpoint;
    if (spec.kind === 'gain') values.fill(1 - spec.offset);
    const deviation =
      Number(settings['deviation']) /
      (layer !== undefined && hasAxis(spec.layout, family.stream.axis, 'out')
        ? Math.sqrt(2 * dims['layers']!)
        : 1);
    if (spec.kind === 'linear' || spec.kind === 'lookup')
      for (let i = 0; i < values.length; i++) values[i] = deviation * normalAt(key, i);
    return Promise.resolve(values);
  };

/**
 * How the weights of a grown checkpoint train beside their source, by its own plan, whatever its stages, and
 * those of the growths before it; empty for any other.
 */
export const factorsOf = (checkpoint: Checkpoint): ReadonlyMap<string, Factors> =>
  factorsThrough(stagesOf(checkpoint.growth, { before: true }));

/** How a model that is loaded will be trained. */
export interface TrainedBy {
  readonly factors?: ReadonlyMap<string, Factors>;
  readonly optimizer?: OptimizerId;
}

/**
 * Puts the weights on the device, in the order of their names, which is that of the files they are saved to.
 */
export async function load(
  device: Device,
  { family, dims, settings }: Checkpoint,
  source: WeightSource,
  by: TrainedBy = {},
): Promise<Loaded> {
  const parameters = [...parametersOf(family, dims, settings)].sort((a, b) => (a.name < b.name ? -1 : 1));
  const byName = new Map(parameters.map((p) => [p.name, p]));
  const buckets = bucketsOf(family, parameters, { ...by, most: bucketElements[device.kind] });
  const tensors = new Map<string, DeviceTensor>();
  const dispose = (): void => {
    for (const t of tensors.values()) t.dispose();
    tensors.clear();
  };
  try {
    for (const bucket of buckets)
      tensors.set(
        stateName('weights', bucket),
        await filled(device, bucket, (name) => source(byName.get(name)!)),
      );
  } catch (error) {
    dispose();
    throw error;
  }
  return { model: { family, dims, settings, buckets }, tensors, dispose };
}

/** The same model with another part of the state as its weights; it owns nothing. */
export const readAs = ({ model, tensors }: Loaded, part: StatePart): Loaded => ({
  model,
  tensors: new Map([
    ...tensors,
    ...model.buckets.map((b) => [stateName('weights', b), tensors.get(stateName(part, b))!] as const),
  ]),
  dispose: () => undefined,
});

/** One bucket on the device, from the values of its weights. */
export async function filled(
  device: Device,
  bucket: Bucket,
  values: (name: string) => Promise<Float32Array>,
): Promise<DeviceTensor> {
  const flat = new Float32Array(bucket.length);
  for (const slot of bucket.slots) flat.set(await values(slot.name), slot.offset);
  return device.upload(flat, 'float32', [bucket.length]);
}

/**
 * Reads one part of the state, weight by weight, as float32; it must have the part. Asked in the order of
 * names, every bucket comes from the device once, and of each group of weights one bucket is held.
 */
export function stateReader(
  device: Device,
  { model, tensors }: Loaded,
  part: StatePart,
): (name: string) => Promise<Float32Array> {
  const places = new Map(
    model.buckets.flatMap((bucket) => bucket.slots.map((slot) => [slot.name, { bucket, slot }] as const)),
  );
  const held = new Map<string, { readonly bucket: Bucket; readonly values: Float32Array }>();
  return async (name) => {
    const { bucket, slot } = places.get(name)!;
    const group = kindOf(bucket);
    let there = held.get(group);
    if (there?.bucket !== bucket) {
      held.delete(group); // before the next one comes, so that two are never held
      held.set(
        group,
        (there = {
          bucket,
          values: widen(await device.download(tensors.get(stateName(part, bucket))!), 'float32'),
        }),
      );
    }
    return there.values.subarray(slot.offset, slot.offset + slot.count);
  };
}
