/** @file Finds the safetensors files of a checkpoint: one file, or the shards that an index names. */
import { readdir } from 'node:fs/promises';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { isObject, readOrRefuse } from '../fs/files.ts';
import { findInside, isInside, readJsonInside } from '../fs/inside.ts';
import { readHeader, type SafetensorsEntry } from './safetensors.ts';

/** File names of transformers. */
export const safetensorsFile = 'model.safetensors';
export const safetensorsIndexFile = 'model.safetensors.index.json';

/** Names of the safetensors files that hold the weights of `dir`. Refuses as `selectShards` does. */
export async function listShards(dir: string): Promise<readonly string[]> {
  const names = await readOrRefuse(dir, () => readdir(dir));
  const readIndex = async (): Promise<JsonObject> =>
    (await readJsonInside(dir, safetensorsIndexFile)) ?? refuseMissing(dir, safetensorsIndexFile);
  return selectShards(dir, names, readIndex);
}

/**
 * Selects the safetensors files that hold the weights from the `names` of a folder or repository `dir`.
 * `readIndex` is called when there is an index. Refuses adapters, pickles, folders without weights, and
 * indexes that are damaged or point outside of the folder.
 */
export async function selectShards(
  dir: string,
  names: readonly string[],
  readIndex: () => Promise<JsonObject>,
): Promise<readonly string[]> {
  if (names.includes(safetensorsFile)) return [safetensorsFile];
  if (names.includes(safetensorsIndexFile)) return listIndexedFiles(dir, await readIndex());
  if (names.includes('adapter_config.json')) return refuse('checkpoint/adapter', { path: dir });
  const shards = names.filter((name) => name.endsWith('.safetensors')).sort();
  if (shards.length > 0) return shards;
  const pickle = names.find((name) => /\.(bin|pt|pth|ckpt)(\.index\.json)?$/.test(name));
  return pickle === undefined
    ? refuse('checkpoint/no-weights', { path: dir })
    : refuse('checkpoint/pickle-only', { path: dir, file: pickle });
}

function listIndexedFiles(dir: string, index: JsonObject): readonly string[] {
  const path = join(dir, safetensorsIndexFile);
  const map = index['weight_map'];
  if (!isObject(map) || Object.keys(map).length === 0)
    return refuse('file/bad-json', { path, why: 'it has no weight_map' });
  const files = [...new Set(Object.values(map))].map((file) =>
    typeof file === 'string' && file !== ''
      ? file
      : refuse('file/bad-json', { path, why: `weight_map names ${JSON.stringify(file)} as a file` }),
  );
  for (const file of files) {
    const isPortable = !isAbsolute(file) && !/^[a-z]:|\\|\0/i.test(file);
    if (!isPortable || !isInside(resolve(dir), resolve(dir, file)))
      refuse('checkpoint/shard-outside', { path: dir, file });
  }
  return files.sort();
}

const refuseMissing = (dir: string, file: string): never =>
  refuse('checkpoint/missing-shard', { path: dir, file });

/** A tensor and the file that holds it. */
export interface StoredTensor extends SafetensorsEntry {
  readonly file: string;
}

/**
 * Reads the headers of the named files. Returns their tensors by stored name. Refuses
 * `checkpoint/missing-shard`, and what `findInside` and `readHeader` refuse.
 */
export async function readShardHeaders(
  dir: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, StoredTensor>> {
  const all = new Map<string, StoredTensor>();
  for (const name of names) {
    const file = (await findInside(dir, name)) ?? refuseMissing(dir, name);
    for (const entry of (await readHeader(file)).entries.values()) addTensor(all, { ...entry, file });
  }
  return all;
}

/** Adds a tensor to `all`. Refuses a name that another file has too. */
export function addTensor(all: Map<string, StoredTensor>, tensor: StoredTensor): void {
  const other = all.get(tensor.name);
  if (other) {
    const why = `${tensor.name} is also in ${basename(other.file)}`;
    refuse('safetensors/bad-header', { path: tensor.file, why });
  }
  all.set(tensor.name, tensor);
}
