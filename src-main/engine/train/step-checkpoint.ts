/**
 * @file A run's checkpoint: an ordinary Hugging Face folder with the weights, the moments beside it, and what
 * the step was; complete or absent.
 */
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { growthRecordFile, recordText } from '../../model/records.ts';
import { openCheckpoint, type Checkpoint } from '../../store/checkpoint/checkpoint.ts';
import { createCheckpointWriter } from '../../store/checkpoint/checkpoint-writer.ts';
import { readObject, writeJson } from '../../store/fs/files.ts';
import { modelFolder, momentsFile, momentsOfStep, stepFile } from '../../store/checkpoint/moments.ts';
import { newestStep, savedSteps, saveStep } from '../../store/run/runs.ts';
import { createSafetensors, inFileOrder } from '../../store/checkpoint/safetensors.ts';
import { narrow } from '../../tensor/dtype.ts';
import { countOf } from '../../tensor/layout.ts';
import { partsOf, type StatePart } from '../../train/optimizers/index.ts';
import type { Scaling } from '../../train/precision.ts';
import type { WeightsKind } from '../../train/run.ts';
import { nothingSeen, type Watch } from '../../train/spikes.ts';
import { stateName, type Slot } from '../../train/state.ts';
import type { Device } from '../ort/device.ts';
import {
  filled,
  fromCheckpoint,
  load,
  stateReader,
  type Loaded,
  type TrainedBy,
  type WeightSource,
} from '../model/weights.ts';

/**
 * step.json: everything that is not a tensor. The order of the data is a function of the seed and the cursor,
 * and so is all that is random.
 */
export interface StepRecord {
  readonly version: 1;
  readonly step: number;
  readonly tokens: number;
  /** Of training, all sittings together. */
  readonly seconds: number;
  /** That the device was held, all sittings together. */
  readonly deviceSeconds: number;
  /** Energy, in joules, where the device tells; null where it does not. */
  readonly joules: number | null;
  /** Tokens of the data it was trained on: a resume on other data is refused. */
  readonly trainTokens: number;
  /**
   * Updates' worth of batches read so far: more than `step` once a run has gone back and read on behind what
   * broke it.
   */
  readonly cursor: number;
  /** Steps that changed the weights. */
  readonly updates: number;
  readonly watch: Watch;
  /** Of the loss, where gradients are computed in float16. */
  readonly scaling?: Scaling<number>;
}

/** The model folder of a run's newest complete checkpoint. Refuses `run/no-checkpoint`. */
export async function newestModel(run: string): Promise<string> {
  const newest = await newestStep(run);
  return newest ? join(newest.dir, modelFolder) : refuse('run/no-checkpoint', { run });
}

/** Parts beside the weights, and for each the weights that have it. */
function partsBeside({ model, tensors }: Loaded): ReadonlyMap<StatePart, readonly Slot[]> {
  const out = new Map<StatePart, readonly Slot[]>();
  for (const bucket of model.buckets)
    for (const part of partsOf(bucket, { ema: tensors.has(stateName('ema', bucket)) ? 1 : 0 }))
      if (part !== 'weights') out.set(part, [...(out.get(part) ?? []), ...bucket.slots]);
  return out;
}

export interface SaveOptions {
  /** The folder whose tokenizer is copied; that of `base` when absent. */
  readonly side?: string;
  /** Checkpoints that stay, this one among them: two, or as many as an average is made of. */
  readonly kept?: number;
}

/**
 * Writes the state of `loaded`; answers with the folder. `base` is the checkpoint this sitting began with.
 * Refuses `run/not-finite`: what could not be resumed is not saved.
 */
export async function saveCheckpoint(
  device: Device,
  run: string,
  base: Checkpoint,
  loaded: Loaded,
  record: StepRecord,
  { side = base.dir, kept = 2 }: SaveOptions = {},
): Promise<string> {
  const slots = loaded.model.buckets.flatMap((b) => b.slots).sort((a, b) => (a.name < b.name ? -1 : 1));
  const parts = partsBeside(loaded);
  const bytes = [slots, ...parts.values()].flat().reduce((n, s) => n + 4 * s.count, 0);
  const sound = (what: string, values: Float32Array): Uint8Array => {
    if (!values.every(Number.isFinite)) refuse('run/not-finite', { step: record.step, what });
    return narrow(values, 'float32');
  };
  return saveStep(
    run,
    record.step,
    async (temporary) => {
      const writer = await createCheckpointWriter({
        target: join(temporary, modelFolder),
        family: base.family,
        prefix: base.prefix,
        config: base.config,
        tensors: slots.map(({ name, shape }) => ({ name, shape, dtype: 'float32' as const })),
        sideFilesFrom: side,
      });
      try {
        const read = stateReader(device, loaded, 'weights');
        for (const name of writer.order) await writer.write(name, sound(`weight ${name}`, await read(name)));
        await writer.finish(base.growth ? { [growthRecordFile]: recordText(base.growth) } : {});
      } catch (error) {
        await writer.abort();
        throw error;
      }
      const held = inFileOrder(
        [...parts].flatMap(([part, of]) =>
          of.map(({ name, shape }) => ({
            part,
            of: name,
            name: `${part}.${name}`,
            shape,
            dtype: 'float32' as const,
          })),
        ),
      );
      const file = await createSafetensors(join(temporary, momentsFile), held);
      try {
        const readers = new Map([...parts.keys()].map((part) => [part, stateReader(device, loaded, part)]));
        for (const { part, of, name } of held)
          await file.write(
            name,
            sound(`${part === 'ema' ? 'average' : 'moment'} of ${of}`, await readers.get(part)!(of)),
          );
        await file.finish();
      } catch (error) {
        await file.abort();
        throw error;
      }
      await writeJson(join(temporary, stepFile), record);
    },
    { needed: bytes, kept },
  );
}

/**
 * The newest complete checkpoint on the device, or undefined when the run has none. Refuses
 * `run/damaged-checkpoint`.
 */
export async function loadNewest(
  device: Device,
  run: string,
  by: TrainedBy & { readonly ema?: number },
): Promise<{ readonly loaded: Loaded; readonly record: StepRecord } | undefined> {
  const newest = await newestStep(run);
  if (!newest) return undefined;
  const record = await recordIn(newest);
  const checkpoint = await openCheckpoint(join(newest.dir, modelFolder));
  const loaded = await load(device, checkpoint, fromCheckpoint(checkpoint), by);
  try {
    const moments = await momentsOfStep(newest.dir);
    for (const bucket of loaded.model.buckets)
      for (const part of partsOf(bucket, by))
        if (part !== 'weights')
          loaded.tensors.set(
            stateName(part, bucket),
            await filled(device, bucket, (name) => moments.read(part, name)),
          );
  } catch (error) {
    loaded.dispose();
    throw error;
  }
  return { loaded, record };
}

/**
 * What step.json says; entries that came after it was written are as they were then. Refuses
 * `run/damaged-checkpoint`.
 */
export async function recordIn({
  step,
  dir,
}: {
  readonly step: number;
  readonly dir: string;
}): Promise<StepRecord> {
  const found = (await readObject(join(dir, stepFile))) as unknown as Pick<
    StepRecord,
    'version' | 'step' | 'tokens' | 'seconds' | 'trainTokens'
  > &
    Partial<StepRecord>;
  if (found.version !== 1 || found.step !== step)
    refuse('run/damaged-checkpoint', { path: dir, why: `step.json speaks of step ${String(found.step)}` });
  return {
    deviceSeconds: found.seconds,
    joules: null,
    cursor: step,
    updates: step,
    watch: nothingSeen,
    ...found,
  };
}

/**
 * One of a run's saved sets of weights: the newest as they are, their moving average, or the mean of the
 * `latest` newest checkpoints. Refuses `run/no-average` where the run keeps none.
 */
export async function savedWeights(
  run: string,
  which: WeightsKind,
  latest: number,
): Promise<{ readonly checkpoint: Checkpoint; readonly step: number; readonly source: WeightSource }> {
  const saved = await savedSteps(run);
  const newest = saved.at(-1) ?? refuse('run/no-checkpoint', { run });
  const checkpoint = await openCheckpoint(join(newest.dir, modelFolder));
  const { step } = newest;
  if (which === 'raw') return { checkpoint, step, source: fromCheckpoint(checkpoint) };
  if (which === 'ema') {
    const moments = await momentsOfStep(newest.dir);
    if (![...moments.shapes.keys()].some((name) => name.startsWith('ema.')))
      refuse('run/no-average', { run, setting: 'ema' });
    return { checkpoint, step, source: ({ name }) => moments.read('ema', name) };
  }
  if (latest < 1) refuse('run/no-average', { run, setting: 'average' });
  const sources = (
    await Promise.all(saved.slice(-latest).map(({ dir }) => openCheckpoint(join(dir, modelFolder))))
  ).map(fromCheckpoint);
  return {
    checkpoint,
    step,
    source: async (parameter) => {
      const sum = new Float64Array(countOf(parameter.shape));
      for (const source of sources)
        (await source(parameter)).forEach((v, i) => {
          sum[i]! += v;
        });
      return Float32Array.from(sum, (v) => v / sources.length);
    },
  };
}
