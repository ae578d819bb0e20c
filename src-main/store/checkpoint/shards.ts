/**
 * @file Which files hold a checkpoint's weights: one file, or the shards an index names; what cannot be read
 * safely is refused by name.
 */
import { readdir, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { exists, isObject, readObject, reading } from '../fs/files.ts';
import { readHeader, type SafetensorsEntry } from './safetensors.ts';

export const singleFile = 'model.safetensors';
export const indexFile = 'model.safetensors.index.json';

const inside = (root: string, path: string): boolean => {
  const way = relative(root, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
};

/**
 * The folder that links of `dir` may point into: itself, or the whole repository when it is a snapshot in the
 * Hugging Face cache (whose files are links to ../../blobs).
 */
async function rootOf(dir: string): Promise<string> {
  const real = await realpath(dir);
  const repository = dirname(dirname(real));
  return basename(dirname(real)) === 'snapshots' && (await exists(join(repository, 'blobs')))
    ? repository
    : real;
}

/** Names of the .safetensors files of `dir`, in order. */
export const shardNames = async (dir: string): Promise<readonly string[]> =>
  shardNamesAmong(dir, await reading(dir, () => readdir(dir)), () => readObject(join(dir, indexFile)));

/**
 * Which of `names` hold the weights; `index` reads the index where there is one. `dir` is a folder, or the
 * name of a repository.
 */
export async function shardNamesAmong(
  dir: string,
  names: readonly string[],
  index: () => Promise<JsonObject>,
): Promise<readonly string[]> {
  if (names.includes(singleFile)) return [singleFile];
  if (names.includes(indexFile)) return namedByIndex(dir, await index());
  if (names.includes('adapter_config.json')) return refuse('checkpoint/adapter', { path: dir });
  const plain = names.filter((name) => name.endsWith('.safetensors')).sort();
  if (plain.length > 0) return plain;
  const pickle = names.find((name) => /\.(bin|pt|pth|ckpt)(\.index\.json)?$/.test(name));
  return pickle === undefined
    ? refuse('checkpoint/no-weights', { path: dir })
    : refuse('checkpoint/pickle-only', { path: dir, file: pickle });
}

function namedByIndex(dir: string, index: JsonObject): readonly string[] {
  const path = join(dir, indexFile);
  const map = index['weight_map'];
  if (!isObject(map) || Object.keys(map).length === 0)
    return refuse('file/bad-json', { path, why: 'it has no weight_map' });
  const files = [...new Set(Object.values(map))].map((file) =>
    typeof file === 'string' && file !== ''
      ? file
      : refuse('file/bad-json', { path, why: `weight_map names ${JSON.stringify(file)} as a file` }),
  );
  for (const file of files)
    if (isAbsolute(file) || /^[a-z]:|\\|\0/i.test(file) || !inside(resolve(dir), resolve(dir, file)))
      refuse('checkpoint/shard-outside', { path: dir, file });
  return files.sort();
}

/** A tensor and the file it is in. */
export interface StoredTensor extends SafetensorsEntry {
  readonly file: string;
}

/** Every tensor of the named files; headers only. */
export async function readShards(
  dir: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, StoredTensor>> {
  const root = await rootOf(dir);
  const all = new Map<string, StoredTensor>();
  for (const name of names) {
    const file = join(dir, name);
    const real = await realpath(file).catch(() =>
      refuse('checkpoint/missing-shard', { path: dir, file: name }),
    );
    if (!inside(root, real)) refuse('checkpoint/shard-outside', { path: dir, file: name });
    for (const entry of (await readHeader(file)).entries.values()) {
      const other = all.get(entry.name);
      if (other)
        refuse('safetensors/bad-header', {
          path: file,
          why: `${entry.name} is also in ${basename(other.file)}`,
        });
      all.set(entry.name, { ...entry, file });
    }
  }
  return all;
}
