/** @file Changes the config and the weights of a tiny checkpoint on disk. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createSafetensorsWriter,
  readHeader,
  type SafetensorsTensor,
} from '../../../src-main/store/checkpoint/safetensors.ts';
import { parseSafetensorsDType } from '../../../src-main/tensor/dtype.ts';
import { countElements } from '../../../src-main/tensor/layout.ts';

export const readConfig = (dir: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8')) as Record<string, unknown>;

/** Sets keys of config.json. */
export function setConfig(dir: string, change: Record<string, unknown>): void {
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...readConfig(dir), ...change }));
}

export interface EditableTensor {
  tensor: SafetensorsTensor;
  bytes: Uint8Array;
}

/** Rewrites model.safetensors with tensors added, removed or changed, by their stored names. */
export async function editWeights(
  dir: string,
  change: (tensors: Map<string, EditableTensor>) => void,
): Promise<void> {
  const path = join(dir, 'model.safetensors');
  const file = readFileSync(path);
  const tensors = new Map<string, EditableTensor>();
  for (const { name, dtype, shape, offset, bytes } of (await readHeader(path)).entries.values())
    tensors.set(name, {
      tensor: { name, dtype: parseSafetensorsDType(dtype)!, shape },
      bytes: file.subarray(offset, offset + bytes),
    });
  change(tensors);
  rmSync(path);
  const writer = await createSafetensorsWriter(
    path,
    [...tensors.values()].map(({ tensor }) => tensor),
  );
  for (const name of writer.order) await writer.write(name, tensors.get(name)!.bytes);
  await writer.finish();
}

/** A float32 tensor of ones. */
export function createOnes(name: string, shape: readonly number[]): EditableTensor {
  const values = new Float32Array(countElements(shape)).fill(1);
  return { tensor: { name, dtype: 'float32', shape }, bytes: new Uint8Array(values.buffer) };
}
