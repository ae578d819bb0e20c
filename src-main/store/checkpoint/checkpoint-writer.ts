/**
 * @file A Checkpoint as a Hugging Face folder, weight by weight: every file's length is known before the
 * first byte, and the folder appears whole or not at all.
 */
import { chmod, copyFile, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Json, JsonObject } from '../../base/json.ts';
import { bytesOf, isWeightDType, type WeightDType } from '../../tensor/dtype.ts';
import { countOf } from '../../tensor/layout.ts';
import type { Certificate, TensorCard } from '../../model/card.ts';
import { growthRecordFile, type GrowthRecord } from '../../model/records.ts';
import type { ModelFamily } from '../../model/family.ts';
import { readObject, reading, writeJson, writeText, writing } from '../fs/files.ts';
import { beginFolder, underFinalName, type FolderOptions } from '../fs/folder.ts';
import { modelCard, type ModelCard } from './model-card.ts';
import { createSafetensors, headerBytes, inFileOrder, type SafetensorsWriter } from './safetensors.ts';
import { indexFile, singleFile } from './shards.ts';

/** Files beside the weights that are copied byte for byte. */
const sideFile =
  /^(tokenizer.*\.json|tokenizer\.model|special_tokens_map\.json|added_tokens\.json|generation_config\.json|vocab\..+|merges\.txt|chat_template\.(jinja|json)|licen[sc]e.*|notice.*)$/i;
/** huggingface_hub's limit of a shard. */
const shardLimit = 5_000_000_000;

export interface CheckpointWriterOptions extends FolderOptions {
  readonly target: string;
  readonly family: ModelFamily;
  /** Put before every stored name but the head's, as the source has it. */
  readonly prefix?: string;
  readonly config: JsonObject;
  /** By the family's names, in the order in which shards are filled. */
  readonly tensors: readonly TensorCard[];
  /** The folder whose tokenizer, licence and generation settings are copied. */
  readonly sideFilesFrom?: string;
  /** README.md; the source's is not copied, because it describes another model. */
  readonly card?: ModelCard;
  /** Bytes of a shard at most. */
  readonly shardBytes?: number;
}

export interface CheckpointWriter {
  /** The family's names in the order in which they must be written. */
  readonly order: readonly string[];
  /** Of all weight files. */
  readonly bytes: number;
  /** The folder while it is being written. */
  readonly temporary: string;
  write(name: string, chunk: Uint8Array): Promise<void>;
  /** Adds text files (growth.json), gives the folder its name, and answers with the names of all files. */
  finish(extraFiles?: Readonly<Record<string, string>>): Promise<readonly string[]>;
  /** Leaves nothing behind. */
  abort(): Promise<void>;
}

/**
 * The name a weight has in the file: the prefix belongs to the base model, and the head stands outside of it.
 */
export const storedName = (family: ModelFamily, prefix: string, name: string): string =>
  name === family.head.weight ? name : prefix + name;

/**
 * The text of config.json. JSON knows one kind of number, but transformers does not take 30 where it wants
 * 30.0.
 */
export const configText = (family: ModelFamily, config: JsonObject): string =>
  (family.fractions ?? []).reduce(
    (text, key) => text.replace(new RegExp(`^(  "${key}": -?\\d+)(,?)$`, 'm'), '$1.0$2'),
    `${JSON.stringify(config, null, 2)}\n`,
  );

/**
 * config.json as it is written: unknown keys kept, what names another place dropped, the dtype said in the
 * words that the source uses.
 */
export function exportConfig(family: ModelFamily, config: JsonObject, dtype: WeightDType): JsonObject {
  const out: Record<string, Json> = { ...config };
  delete out['_name_or_path'];
  delete out['auto_map'];
  if (!Array.isArray(out['architectures']) || out['architectures'].length === 0)
    out['architectures'] = [family.architecture];
  const said = ['dtype', 'torch_dtype'].filter((key) => key in out);
  for (const key of said.length > 0 ? said : ['torch_dtype']) out[key] = dtype;
  return out;
}

interface Shard {
  readonly file: string;
  readonly tensors: readonly (TensorCard & { readonly plain: string })[];
}

/** Tensors in order; one that would pass the limit opens the next shard, one above it stands alone. */
export function shardsOf<T extends TensorCard>(
  tensors: readonly T[],
  limit = shardLimit,
): readonly { readonly file: string; readonly tensors: readonly T[] }[] {
  const groups: T[][] = [[]];
  let filled = 0;
  for (const tensor of tensors) {
    const bytes = bytesOf(tensor.dtype, countOf(tensor.shape));
    if (filled > 0 && filled + bytes > limit) {
      groups.push([]);
      filled = 0;
    }
    groups.at(-1)!.push(tensor);
    filled += bytes;
  }
  const number = (n: number): string => String(n).padStart(5, '0');
  return groups.map((group, i) => ({
    file: groups.length === 1 ? singleFile : `model-${number(i + 1)}-of-${number(groups.length)}.safetensors`,
    tensors: group,
  }));
}

/** The dtype of most bytes, which config.json names. */
export function mainDType(tensors: readonly TensorCard[]): WeightDType {
  const bytes = new Map<WeightDType, number>();
  for (const { dtype, shape } of tensors)
    bytes.set(dtype, (bytes.get(dtype) ?? 0) + bytesOf(dtype, countOf(shape)));
  return [...bytes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'float32';
}

/** The tokenizer, licence and generation settings that lie in a folder. */
export async function sideFilesOf(
  dir: string | undefined,
): Promise<readonly { name: string; path: string; bytes: number }[]> {
  if (dir === undefined) return [];
  const names = (await reading(dir, () => readdir(dir))).filter((name) => sideFile.test(name)).sort();
  const all = await Promise.all(
    names.map(async (name) => ({ name, path: join(dir, name), found: await stat(join(dir, name)) })),
  );
  return all
    .filter(({ found }) => found.isFile())
    .map(({ name, path, found }) => ({ name, path, bytes: found.size }));
}

/** Begins the folder: refuses an existing target and a disk without room, and copies the side files. */
export async function createCheckpointWriter(options: CheckpointWriterOptions): Promise<CheckpointWriter> {
  const { target, family, prefix = '', config, tensors, sideFilesFrom, card, shardBytes } = options;
  if (tensors.length === 0 || tensors.some(({ dtype }) => !isWeightDType(dtype)))
    throw new RangeError('a checkpoint has weights, of a weight dtype');
  const shards: readonly Shard[] = shardsOf(
    tensors.map(({ name, dtype, shape }) => ({
      name: storedName(family, prefix, name),
      plain: name,
      dtype,
      shape,
    })),
    shardBytes,
  );
  const weights = tensors.reduce((sum, { dtype, shape }) => sum + bytesOf(dtype, countOf(shape)), 0);
  const bytes =
    weights +
    shards.reduce((sum, shard) => sum + headerBytes(inFileOrder(shard.tensors), { format: 'pt' }).length, 0);
  const side = await sideFilesOf(sideFilesFrom);
  const folder = await beginFolder(target, {
    ...options,
    needed: Math.max(
      options.needed ?? 0,
      bytes + side.reduce((sum, file) => sum + file.bytes, 0) + 1_000_000,
    ),
  });
  const at = (name: string): string => join(folder.path, name);
  const order = shards.flatMap((shard) => inFileOrder(shard.tensors).map((tensor) => tensor.plain));
  const shardOf = new Map(
    shards.flatMap((shard, i) =>
      shard.tensors.map((tensor) => [tensor.plain, { i, stored: tensor.name }] as const),
    ),
  );
  let current: SafetensorsWriter | undefined;
  let number = -1;
  let ended = false;
  const abort = async (): Promise<void> => {
    if (ended) return;
    ended = true;
    await current?.abort();
    await folder.abort();
  };
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await writing(target, work, bytes);
    } catch (error) {
      await abort();
      throw underFinalName(error, folder.path, target);
    }
  };
  const open = async (i: number): Promise<void> => {
    const done = current;
    current = undefined;
    await done?.finish();
    number = i;
    if (i < shards.length) current = await createSafetensors(at(shards[i]!.file), shards[i]!.tensors);
  };
  await guarded(async () => {
    for (const file of side) {
      await copyFile(file.path, at(file.name));
      await chmod(at(file.name), 0o644); // a read-only source must not make a read-only copy
    }
    await writeText(at('config.json'), configText(family, exportConfig(family, config, mainDType(tensors))));
    if (card) await writeFile(at('README.md'), modelCard(card, basename(target)));
    await open(0);
  });
  return {
    order,
    bytes,
    temporary: folder.path,
    write: (name, chunk) =>
      guarded(async () => {
        const place = shardOf.get(name);
        if (place === undefined) throw new RangeError(`${name} is not among the weights of ${target}`);
        while (number < place.i) await open(number + 1);
        await current!.write(place.stored, chunk);
      }),
    finish: (extraFiles = {}) =>
      guarded(async () => {
        while (number < shards.length) await open(number + 1);
        for (const [name, text] of Object.entries(extraFiles)) await writeFile(at(name), text);
        if (shards.length > 1) await writeJson(at(indexFile), indexOf(tensors, shards, weights));
        const files = (await readdir(folder.path)).sort();
        await folder.commit();
        ended = true;
        return files;
      }),
    abort,
  };
}

function indexOf(all: readonly TensorCard[], shards: readonly Shard[], size: number): Json {
  const map = shards
    .flatMap((shard) => shard.tensors.map((tensor) => [tensor.name, shard.file] as const))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    metadata: { total_parameters: all.reduce((sum, { shape }) => sum + countOf(shape), 0), total_size: size },
    weight_map: Object.fromEntries(map),
  };
}

/** Puts the proof into the growth.json of a folder that Cambium grew. */
export async function recordCertificate(dir: string, certificate: Certificate): Promise<void> {
  const path = join(dir, growthRecordFile);
  const record = await readObject(path);
  await writeJson(path, { ...(record as unknown as GrowthRecord), certificate });
}
