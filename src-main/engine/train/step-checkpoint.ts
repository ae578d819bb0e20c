/**
 * @file A checkpoint of a run: a Hugging Face folder with the weights, the optimizer state beside it, and a
 * record of the step. It is complete or absent.
 */
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { formatRecord, growthRecordFile } from '../../model/records.ts';
import { createCheckpointWriter } from '../../store/checkpoint/checkpoint-writer.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import {
  modelFolder,
  momentName,
  momentsFile,
  openStepMoments,
  stepFile,
} from '../../store/checkpoint/moments.ts';
import { createSafetensorsWriter, sortTensors } from '../../store/checkpoint/safetensors.ts';
import { writeJson } from '../../store/fs/files.ts';
import { findStep } from '../../store/run/checkpoints.ts';
import { newestStep, savedSteps, saveStep } from '../../store/run/runs.ts';
import { downcast } from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';
import { partsOf, type StatePart } from '../../train/optimizers/index.ts';
import { defaultRetention, type Retention } from '../../train/retention.ts';
import type { WeightsKind } from '../../train/run.ts';
import { stateName, type Slot } from '../../train/state.ts';
import {
  checkpointWeights,
  loadModel,
  openStateReader,
  uploadBucket,
  type LoadedModel,
  type LoadOptions,
  type WeightSource,
} from '../model/weights.ts';
import type { Device } from '../ort/device.ts';
import { readStepRecord, type StepRecord } from '../../store/run/step-record.ts';

/** The model folder of a run's newest complete checkpoint. Throws `run/no-checkpoint`. */
export async function newestModel(run: string): Promise<string> {
  const newest = await newestStep(run);
  return newest ? join(newest.dir, modelFolder) : refuse('run/no-checkpoint', { run });
}

/** The optimizer's state parts, and the weights that have each of them. */
function optimizerParts({ model, tensors }: LoadedModel): ReadonlyMap<StatePart, readonly Slot[]> {
  const slotsByPart = new Map<StatePart, readonly Slot[]>();
  for (const bucket of model.buckets) {
    const emaDecay = tensors.has(stateName('ema', bucket)) ? 1 : 0;
    for (const part of partsOf(bucket, { emaDecay }))
      if (part !== 'weights') slotsByPart.set(part, [...(slotsByPart.get(part) ?? []), ...bucket.slots]);
  }
  return slotsByPart;
}

export interface SaveOptions {
  /** The folder whose tokenizer is copied; default: that of `base`. */
  readonly tokenizerFrom?: string;
  /** Which checkpoints are kept. */
  readonly retention?: Retention;
}

/**
 * Writes the state of `loaded` and returns the folder. `base` is the checkpoint that the session began with.
 * Throws `run/not-finite`: a run cannot resume from NaN.
 */
export async function saveCheckpoint(
  device: Device,
  run: string,
  base: Checkpoint,
  loaded: LoadedModel,
  record: StepRecord,
  { tokenizerFrom = base.dir, retention = defaultRetention }: SaveOptions = {},
): Promise<string> {
  const slots = loaded.model.buckets.flatMap((bucket) => bucket.slots);
  const parts = optimizerParts(loaded);
  const bytes = [slots, ...parts.values()].flat().reduce((sum, slot) => sum + 4 * slot.count, 0);
  const toBytes = (what: string, values: Float32Array): Uint8Array => {
    if (!values.every(Number.isFinite)) refuse('run/not-finite', { step: record.step, what });
    return downcast(values, 'float32');
  };
  const fill = async (folder: string): Promise<void> => {
    await writeModel(device, base, loaded, { target: join(folder, modelFolder), tokenizerFrom, toBytes });
    await writeOptimizerState(device, loaded, parts, { path: join(folder, momentsFile), toBytes });
    await writeJson(join(folder, stepFile), record);
  };
  return saveStep(run, record.step, fill, { requiredBytes: bytes, retention });
}

type ToBytes = (what: string, values: Float32Array) => Uint8Array;

async function writeModel(
  device: Device,
  base: Checkpoint,
  loaded: LoadedModel,
  {
    target,
    tokenizerFrom,
    toBytes,
  }: { readonly target: string; readonly tokenizerFrom: string; readonly toBytes: ToBytes },
): Promise<void> {
  const slots = loaded.model.buckets.flatMap((bucket) => bucket.slots);
  const byName = [...slots].sort((a, b) => (a.name < b.name ? -1 : 1));
  const writer = await createCheckpointWriter({
    target,
    family: base.family,
    nameStyle: base.nameStyle,
    config: base.config,
    tensors: byName.map(({ name, shape }) => ({ name, shape, dtype: 'float32' as const })),
    auxiliaryFilesFrom: tokenizerFrom,
  });
  try {
    const read = openStateReader(device, loaded, 'weights');
    for (const name of writer.order) await writer.write(name, toBytes(`weight ${name}`, await read(name)));
    await writer.finish(base.growth ? { [growthRecordFile]: formatRecord(base.growth) } : {});
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

async function writeOptimizerState(
  device: Device,
  loaded: LoadedModel,
  parts: ReadonlyMap<StatePart, readonly Slot[]>,
  { path, toBytes }: { readonly path: string; readonly toBytes: ToBytes },
): Promise<void> {
  const tensors = [...parts].flatMap(([part, slots]) =>
    slots.map(({ name: weight, shape }) => ({
      part,
      weight,
      name: momentName(part, weight),
      shape,
      dtype: 'float32' as const,
    })),
  );
  const inOrder = sortTensors(tensors);
  const file = await createSafetensorsWriter(path, inOrder);
  try {
    const readers = new Map([...parts.keys()].map((part) => [part, openStateReader(device, loaded, part)]));
    for (const { part, weight, name } of inOrder) {
      const what = `${part === 'ema' ? 'average' : 'moment'} of ${weight}`;
      await file.write(name, toBytes(what, await readers.get(part)!(weight)));
    }
    await file.finish();
  } catch (error) {
    await file.abort();
    throw error;
  }
}

/**
 * Loads the newest complete checkpoint onto the device; undefined if the run has none. Throws
 * `run/damaged-checkpoint`.
 */
export async function loadNewest(
  device: Device,
  run: string,
  options: LoadOptions & { readonly emaDecay?: number },
): Promise<{ readonly loaded: LoadedModel; readonly record: StepRecord } | undefined> {
  const newest = await newestStep(run);
  if (!newest) return undefined;
  const record = await readStepRecord(newest);
  const checkpoint = await openCheckpoint(join(newest.dir, modelFolder));
  const loaded = await loadModel(device, checkpoint, checkpointWeights(checkpoint), options);
  try {
    const moments = await openStepMoments(newest.dir);
    for (const bucket of loaded.model.buckets)
      for (const part of partsOf(bucket, options)) {
        // Weights that were frozen until now have no moments yet.
        const isAbsent = bucket.isLate && !moments.shapes.has(`${part}.${bucket.slots[0]!.name}`);
        if (part === 'weights' || isAbsent) continue;
        const tensor = await uploadBucket(device, bucket, (name) => moments.read(part, name));
        loaded.tensors.set(stateName(part, bucket), tensor);
      }
  } catch (error) {
    loaded.dispose();
    throw error;
  }
  return { loaded, record };
}

/**
 * Saved weights of a run: of the newest step or of `step`, their moving average, or the average of the `latest` newest
 * checkpoints. Throws `run/no-average` if the run keeps none, and `run/no-step`.
 */
export async function savedWeights(
  run: string,
  kind: WeightsKind,
  { latest, step: chosen }: { readonly latest: number; readonly step?: number | undefined },
): Promise<{ readonly checkpoint: Checkpoint; readonly step: number; readonly source: WeightSource }> {
  const saved = await savedSteps(run);
  const newest = saved.at(-1) ?? refuse('run/no-checkpoint', { run });
  const { step, dir } = chosen === undefined ? newest : await findStep(run, chosen);
  const checkpoint = await openCheckpoint(join(dir, modelFolder));
  if (kind === 'raw') return { checkpoint, step, source: checkpointWeights(checkpoint) };
  if (kind === 'ema') {
    const moments = await openStepMoments(dir);
    const hasEma = [...moments.shapes.keys()].some((name) => name.startsWith('ema.'));
    if (!hasEma) refuse('run/no-average', { run, setting: 'ema-decay' });
    const weights = checkpointWeights(checkpoint);
    const source: WeightSource = (parameter) =>
      moments.shapes.has(`ema.${parameter.name}`) ? moments.read('ema', parameter.name) : weights(parameter);
    return { checkpoint, step, source };
  }
  if (step !== newest.step)
    refuse('run/bad-setting', {
      setting: 'the average of the newest checkpoints',
      why: 'has no step of its own',
    });
  if (latest < 1) refuse('run/no-average', { run, setting: 'average-checkpoints' });
  const checkpoints = await Promise.all(
    saved.slice(-latest).map((one) => openCheckpoint(join(one.dir, modelFolder))),
  );
  return { checkpoint, step, source: averageOf(checkpoints.map(checkpointWeights)) };
}

/** Averages the weights of several sources, in float64. */
const averageOf =
  (sources: readonly WeightSource[]): WeightSource =>
  async (parameter) => {
    const sum = new Float64Array(countElements(parameter.shape));
    for (const source of sources) {
      const values = await source(parameter);
      for (const [i, value] of values.entries()) sum[i]! += value;
    }
    return Float32Array.from(sum, (value) => value / sources.length);
  };
