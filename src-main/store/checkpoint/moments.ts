/**
 * @file An optimizer's moments as a file beside a checkpoint: float32, each under its part and the weight's
 * name.
 */
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { countOf } from '../../tensor/layout.ts';
import { exists, writing } from '../fs/files.ts';
import { createSafetensors, readBytes, readHeader, type SafetensorsWriter } from './safetensors.ts';

/** The names in a step of a run: the checkpoint that transformers can open, the moments, the record. */
export const momentsFile = 'moments.safetensors';
export const modelFolder = 'model';
export const stepFile = 'step.json';
/**
 * In a step of a run they lie beside its model; in a grown checkpoint in a folder of their own, where nothing
 * takes them for weights.
 */
export const momentsFolder = 'optimizer';

export interface MomentsFile {
  /** `part.name`, each with its shape. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Refuses `run/damaged-checkpoint` for what is not there. */
  read(part: string, name: string): Promise<Float32Array>;
}

/** The folder of the step whose model is in `dir`, or null where `dir` is no step's. */
export async function stepOf(dir: string): Promise<string | null> {
  const step = dirname(dir);
  return basename(dir) === modelFolder &&
    (await exists(join(step, stepFile))) &&
    (await exists(join(step, momentsFile)))
    ? step
    : null;
}

export const momentsOfStep = (step: string): Promise<MomentsFile> => openMoments(join(step, momentsFile));

/** What a growth carried along, or null. */
export async function carriedMoments(dir: string): Promise<MomentsFile | null> {
  const path = join(dir, momentsFolder, momentsFile);
  return (await exists(path)) ? openMoments(path) : null;
}

/** Begins the moments of a grown checkpoint in its folder. */
export async function createMoments(
  dir: string,
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
): Promise<SafetensorsWriter> {
  const path = join(dir, momentsFolder, momentsFile);
  await writing(path, () => mkdir(dirname(path)));
  return createSafetensors(
    path,
    tensors.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })),
  );
}

async function openMoments(path: string): Promise<MomentsFile> {
  const { entries } = await readHeader(path);
  return {
    shapes: new Map([...entries.values()].map(({ name, shape }) => [name, shape])),
    async read(part, name) {
      const entry = entries.get(`${part}.${name}`);
      if (!entry || entry.dtype !== 'F32' || countOf(entry.shape) * 4 !== entry.bytes)
        return refuse('run/damaged-checkpoint', {
          path,
          why: `${part}.${name} is missing or of another type`,
        });
      const values = new Float32Array(countOf(entry.shape));
      await readBytes(path, entry.start, new Uint8Array(values.buffer));
      return values;
    },
  };
}
