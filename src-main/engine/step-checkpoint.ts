/** @file A run's checkpoint: an ordinary Hugging Face folder with the weights, the moments beside it, and what the step was; complete or absent. */
import { join } from 'node:path';
import { refuse } from '../base/errors.ts';
import { openCheckpoint, type Checkpoint } from '../store/checkpoint.ts';
import { createCheckpointWriter } from '../store/checkpoint-writer.ts';
import { readObject, writeJson } from '../store/files.ts';
import { newestStep, saveStep } from '../store/runs.ts';
import { createSafetensors, readBytes, readHeader } from '../store/safetensors.ts';
import { narrow, widen } from '../tensor/dtype.ts';
import { countOf } from '../tensor/layout.ts';
import { stateName } from '../train/state.ts';
import type { Device } from './ort/device.ts';
import { filled, fromCheckpoint, load, stateReader, type Loaded } from './weights.ts';

/** step.json: everything that is not a tensor. The order of the data is a function of seed and step, so the step is its cursor. */
export interface StepRecord {
  readonly version: 1;
  readonly step: number;
  readonly tokens: number;
  /** Of training, all sittings together. */
  readonly seconds: number;
  /** Tokens of the data it was trained on: a resume on other data is refused. */
  readonly trainTokens: number;
}

/** The folder of a checkpoint that transformers can open as it is. */
export const modelFolder = 'model';
const momentsFile = 'moments.safetensors', recordFile = 'step.json', moments = ['mean', 'square'] as const;

/** The model folder of a run's newest complete checkpoint. Refuses `run/no-checkpoint`. */
export async function newestModel(run: string): Promise<string> {
  const newest = await newestStep(run);
  return newest ? join(newest.dir, modelFolder) : refuse('run/no-checkpoint', { run });
}

/** Writes the state of `loaded`; answers with the folder. `base` is the checkpoint this sitting began with, `side` the folder whose tokenizer is copied. Refuses `run/not-finite`: what could not be resumed is not saved. */
export async function saveCheckpoint(device: Device, run: string, base: Checkpoint, loaded: Loaded, record: StepRecord, side = base.dir): Promise<string> {
  const slots = loaded.model.buckets.flatMap((b) => b.slots).sort((a, b) => (a.name < b.name ? -1 : 1)), bytes = slots.reduce((n, s) => n + 4 * s.count, 0);
  const sound = (what: string, values: Float32Array): Uint8Array => {
    if (!values.every(Number.isFinite)) refuse('run/not-finite', { step: record.step, what });
    return narrow(values, 'float32');
  };
  return saveStep(run, record.step, async (temporary) => {
    const writer = await createCheckpointWriter({
      target: join(temporary, modelFolder), family: base.family, prefix: base.prefix, config: base.config,
      tensors: slots.map(({ name, shape }) => ({ name, shape, dtype: 'float32' as const })), sideFilesFrom: side,
    });
    try {
      const read = stateReader(device, loaded, 'weights');
      for (const name of writer.order) await writer.write(name, sound(`weight ${name}`, await read(name)));
      await writer.finish(base.growth ? { 'growth.json': `${JSON.stringify(base.growth, null, 1)}\n` } : {});
    } catch (error) { await writer.abort(); throw error; }
    const file = await createSafetensors(join(temporary, momentsFile), moments.flatMap((part) => slots.map(({ name, shape }) => ({ name: `${part}.${name}`, shape, dtype: 'float32' as const }))));
    try {
      for (const part of moments) {                                    // which is the order of the file: its names begin with the part
        const read = stateReader(device, loaded, part);
        for (const { name } of slots) await file.write(`${part}.${name}`, sound(`moment of ${name}`, await read(name)));
      }
      await file.finish();
    } catch (error) { await file.abort(); throw error; }
    await writeJson(join(temporary, recordFile), record);
  }, { needed: 3 * bytes });
}

/** The newest complete checkpoint on the device, or undefined when the run has none. Refuses `run/damaged-checkpoint`. */
export async function loadNewest(device: Device, run: string, rates: ReadonlyMap<string, number>): Promise<{ readonly loaded: Loaded; readonly record: StepRecord } | undefined> {
  const newest = await newestStep(run);
  if (!newest) return undefined;
  const record = await readObject(join(newest.dir, recordFile)) as unknown as StepRecord;
  if (record.version !== 1 || record.step !== newest.step) refuse('run/damaged-checkpoint', { path: newest.dir, why: `step.json speaks of step ${String(record.step)}` });
  const checkpoint = await openCheckpoint(join(newest.dir, modelFolder));
  const loaded = await load(device, checkpoint, fromCheckpoint(checkpoint), rates);
  try {
    const path = join(newest.dir, momentsFile), { entries } = await readHeader(path);
    for (const bucket of loaded.model.buckets) for (const part of moments) {
      loaded.tensors.set(stateName(part, bucket), await filled(device, bucket, async (name) => {
        const entry = entries.get(`${part}.${name}`);
        if (!entry || entry.dtype !== 'F32' || countOf(entry.shape) * 4 !== entry.bytes) return refuse('run/damaged-checkpoint', { path, why: `${part}.${name} is missing or of another type` });
        const bytes = new Uint8Array(entry.bytes);
        await readBytes(path, entry.start, bytes);
        return widen(bytes, 'float32');
      }));
    }
  } catch (error) { loaded.dispose(); throw error; }
  return { loaded, record };
}
