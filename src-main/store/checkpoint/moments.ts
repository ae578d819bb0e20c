/** @file Optimizer moments in a safetensors file: float32, named after the state part and the weight. */
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import { countElements } from '../../tensor/layout.ts';
import { exists, writeOrRefuse } from '../fs/files.ts';
import { findInside } from '../fs/inside.ts';
import { createSafetensorsWriter, readBytes, readHeader, type SafetensorsWriter } from './safetensors.ts';

/** A step folder of a run holds a checkpoint in `model`, the moments, and a record of the step. */
export const momentsFile = 'moments.safetensors';
export const modelFolder = 'model';
export const stepFile = 'step.json';
/** The folder of the moments in a grown checkpoint, where no other program takes them for weights. */
export const momentsFolder = 'optimizer';

/** Names of the state parts in a file, as PyTorch calls them. Files of version 1 have the former name. */
const fileNames: Readonly<Record<string, { readonly name: string; readonly former: string }>> = {
  expAvg: { name: 'exp_avg', former: 'mean' },
  expAvgSq: { name: 'exp_avg_sq', former: 'square' },
  momentum: { name: 'momentum_buffer', former: 'momentum' },
};

/** Name of a state tensor in the file, such as `exp_avg.model.norm.weight`. */
export const momentName = (part: string, weight: string): string =>
  `${fileNames[part]?.name ?? part}.${weight}`;

/** Converts a name in a file, of this version or the one before, to `part.weight`. */
function parseMomentName(name: string): string {
  const dot = name.indexOf('.');
  const inFile = name.slice(0, dot);
  const known = Object.entries(fileNames).find(
    ([, names]) => names.name === inFile || names.former === inFile,
  );
  return `${known?.[0] ?? inFile}${name.slice(dot)}`;
}

export interface MomentsFile {
  /** Shapes by `part.weight`. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Reads one moment. Refuses `run/damaged-checkpoint` when it is missing or not float32. */
  read(part: string, name: string): Promise<Float32Array>;
}

/** The step folder whose checkpoint is in `dir`; null when `dir` does not belong to a step with moments. */
export async function findStepFolder(dir: string): Promise<string | null> {
  if (basename(dir) !== modelFolder) return null;
  const step = dirname(dir);
  const isStep = (await exists(join(step, stepFile))) && (await exists(join(step, momentsFile)));
  return isStep ? step : null;
}

/** Opens the moments of a step folder. */
export const openStepMoments = (step: string): Promise<MomentsFile> => openMoments(join(step, momentsFile));

/** Opens the moments of a grown checkpoint; null when it has none. */
export async function openGrownMoments(dir: string): Promise<MomentsFile | null> {
  const path = await findInside(dir, join(momentsFolder, momentsFile));
  return path === undefined ? null : openMoments(path);
}

/** Creates the moments file of a grown checkpoint. */
export async function createGrownMoments(
  dir: string,
  tensors: readonly { readonly name: string; readonly shape: readonly number[] }[],
): Promise<SafetensorsWriter> {
  const path = join(dir, momentsFolder, momentsFile);
  await writeOrRefuse(path, () => mkdir(dirname(path)));
  return createSafetensorsWriter(
    path,
    tensors.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })),
  );
}

async function openMoments(path: string): Promise<MomentsFile> {
  const header = await readHeader(path);
  const entries = new Map([...header.entries.values()].map((entry) => [parseMomentName(entry.name), entry]));
  return {
    shapes: new Map([...entries].map(([name, { shape }]) => [name, shape])),
    async read(part, name) {
      const entry = entries.get(`${part}.${name}`);
      if (!entry || entry.dtype !== 'F32' || countElements(entry.shape) * 4 !== entry.bytes)
        return refuse('run/damaged-checkpoint', {
          path,
          why: `${part}.${name} is missing or of another type`,
        });
      const values = new Float32Array(countElements(entry.shape));
      await readBytes(path, entry.offset, new Uint8Array(values.buffer));
      return values;
    },
  };
}
