/**
 * @file A Hugging Face folder as a Checkpoint: where every weight is, checked against config.json and its
 * family's table, without reading the weights.
 */
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { fromSafetensors, isWeightDType, type WeightDType } from '../../tensor/dtype.ts';
import { shapeOf, type Dims } from '../../tensor/layout.ts';
import { allFinite } from '../../tensor/range.ts';
import type { CheckpointCard } from '../../model/card.ts';
import { growthRecordFile, type GrowthRecord } from '../../model/records.ts';
import { dimsOf, settingsOf } from '../../model/config.ts';
import { familyOf } from '../../model/families/index.ts';
import type { ModelFamily, Settings } from '../../model/family.ts';
import { activeCount, groupCounts, parameterCount, parametersOf } from '../../model/parameters.ts';
import { exists, isObject, readFailure, readObject } from '../fs/files.ts';
import { readPastCache } from '../fs/past-cache.ts';
import { readBytes } from './safetensors.ts';
import { readShards, shardNames, type StoredTensor } from './shards.ts';
import { tokenizerCard } from '../data/tokenizer.ts';

/**
 * Where one weight is. `name` is the family's, `stored` the file's (with prefix); `start` counts from the
 * file's first byte.
 */
export interface TensorRef {
  readonly name: string;
  readonly stored: string;
  readonly dtype: WeightDType;
  readonly shape: readonly number[];
  readonly file: string;
  readonly start: number;
  readonly bytes: number;
}

export interface Checkpoint {
  readonly dir: string;
  readonly family: ModelFamily;
  readonly dims: Dims;
  readonly settings: Settings;
  readonly config: JsonObject;
  readonly card: CheckpointCard;
  /** By the family's names, in the order of its table; a tied head has none. */
  readonly refs: ReadonlyMap<string, TensorRef>;
  /** What the files put before names; empty for none. */
  readonly prefix: string;
  readonly growth: GrowthRecord | null;
}

/**
 * Opens the folder of a checkpoint; every fault is refused with the file, the weight, and what was expected.
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const dir = resolve(folder);
  if (
    !(
      await stat(dir).catch((error: unknown) => {
        throw readFailure(dir, error);
      })
    ).isDirectory()
  )
    refuse('file/not-a-folder', { path: dir });
  const config = await configOf(dir);
  const said = readConfig(dir, config);
  const described = await describe(
    dir,
    config,
    said,
    await readShards(dir, await shardNames(dir)),
    sameBytes,
  );
  const growth = await growthOf(dir);
  const card = cardOf(dir, config, described, {
    name: checkpointName(dir),
    tokenizer: await tokenizerCard(dir),
  });
  return {
    dir,
    config,
    ...described,
    growth,
    card: growth
      ? {
          ...card,
          grownFrom: {
            source: growth.source,
            method: growth.method,
            certificate: growth.certificate ?? null,
          },
        }
      : card,
  };
}

/**
 * What config.json alone says; a quantized model and an unknown family are refused before a header is read.
 */
export interface Said {
  readonly family: ModelFamily;
  readonly dims: Dims;
}
export function readConfig(dir: string, config: JsonObject): Said {
  const quantization = config['quantization_config'];
  if (isObject(quantization))
    refuse('checkpoint/quantized', {
      path: dir,
      how: String(quantization['quant_method'] ?? 'quantization_config'),
    });
  const family = familyOf(config);
  family.refuses(config);
  return { family, dims: dimsOf(family, config, join(dir, 'config.json')) };
}

/**
 * What config.json and the headers say together, before a weight is read. `dir` is a folder or the name of a
 * repository; `same` tells whether two stored weights hold the same bytes.
 */
export type Described = Pick<Checkpoint, 'family' | 'dims' | 'settings' | 'refs' | 'prefix'>;
export async function describe(
  dir: string,
  config: JsonObject,
  { family, dims }: Said,
  stored: ReadonlyMap<string, StoredTensor>,
  same: (a: StoredTensor, b: StoredTensor) => Promise<boolean>,
): Promise<Described> {
  const path = join(dir, 'config.json');
  for (const axis of ['layers', 'experts'] as const)
    if ((dims[axis] ?? 0) > stored.size)
      refuse('checkpoint/bad-config', {
        path,
        key: family.dims[axis]!.keys[0] ?? axis,
        why: `is ${dims[axis]!}, but the files hold only ${stored.size} weights`,
      });
  const settings = settingsOf(family, config);
  // after the check of layers: some settings list them
  const { named, prefix } = stripped(dir, family, stored);
  if (settings['tied'] === true) await dropTiedHead(path, family, named, same);
  return { family, dims, settings, prefix, refs: matched(dir, family, dims, settings, named) };
}

async function configOf(dir: string): Promise<JsonObject> {
  const path = join(dir, 'config.json');
  if (await exists(path)) return readObject(path);
  return (await exists(join(dir, 'adapter_config.json')))
    ? refuse('checkpoint/adapter', { path: dir })
    : refuse('checkpoint/no-config', { path: dir });
}

/** Stored names without prefix, buffers left out. */
function stripped(
  dir: string,
  family: ModelFamily,
  stored: ReadonlyMap<string, StoredTensor>,
): { named: Map<string, StoredTensor>; prefix: string } {
  const named = new Map<string, StoredTensor>();
  let prefix = '';
  for (const [name, tensor] of stored) {
    const alias = family.aliases.find((word) => name.startsWith(word)) ?? '';
    const plain = name.slice(alias.length);
    if (family.ignorable.some((pattern) => pattern.test(plain))) continue;
    if (named.has(plain)) refuse('checkpoint/unknown-tensors', { path: dir, names: [name] });
    if (alias !== '') prefix = alias;
    named.set(plain, tensor);
  }
  return { named, prefix };
}

/**
 * A head stored although it is tied is only a copy; one that differs is a model of its own, and config.json
 * is wrong.
 */
async function dropTiedHead(
  path: string,
  family: ModelFamily,
  named: Map<string, StoredTensor>,
  same: (a: StoredTensor, b: StoredTensor) => Promise<boolean>,
): Promise<void> {
  const { weight, tiedTo } = family.head;
  const head = named.get(weight);
  const table = named.get(tiedTo);
  if (!head || !table) return;
  if (head.dtype !== table.dtype || head.bytes !== table.bytes || !(await same(head, table)))
    refuse('checkpoint/bad-config', {
      path,
      key: 'tie_word_embeddings',
      why: `says that ${weight} is ${tiedTo}, but the files hold two different weights; it should be false`,
    });
  named.delete(weight);
}

async function sameBytes(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  for (let at = 0; at < a.bytes; at += 1 << 22) {
    const length = Math.min(1 << 22, a.bytes - at);
    const left = Buffer.allocUnsafe(length);
    const right = Buffer.allocUnsafe(length);
    await Promise.all([readBytes(a.file, a.start + at, left), readBytes(b.file, b.start + at, right)]);
    if (!left.equals(right)) return false;
  }
  return true;
}

/**
 * Each weight of the family's table with its place; what is missing, left over, quantized or of another shape
 * is refused.
 */
function matched(
  dir: string,
  family: ModelFamily,
  dims: Dims,
  settings: Settings,
  named: ReadonlyMap<string, StoredTensor>,
): ReadonlyMap<string, TensorRef> {
  const expected = parametersOf(family, dims, settings);
  const names = new Set(expected.map((p) => p.name));
  const packed = [...named].find(([, tensor]) => /^([UI]8$|F8_|F4$|F6_)/.test(tensor.dtype));
  if (packed) refuse('checkpoint/quantized', { path: dir, how: `${packed[0]} is ${packed[1].dtype}` });
  const { weight, tiedTo } = family.head;
  if (names.has(weight) && !named.has(weight) && named.has(tiedTo))
    refuse('checkpoint/bad-config', {
      path: join(dir, 'config.json'),
      key: 'tie_word_embeddings',
      why: `is false or absent, but there is no ${weight}; it should be true if the head is ${tiedTo}`,
    });
  const missing = expected.filter((p) => !named.has(p.name)).map((p) => p.name);
  const unknown = [...named].filter(([name]) => !names.has(name)).map(([, tensor]) => tensor.name);
  for (const [key] of Object.entries(family.tensors).filter(([line]) => line.includes('{layer}'))) {
    const [before, after] = key.split('{layer}') as [string, string];
    const beyond = unknown.find(
      (name) =>
        name.includes(before) &&
        name.endsWith(after) &&
        Number(name.slice(name.indexOf(before) + before.length, -after.length)) >= dims['layers']!,
    );
    if (beyond !== undefined)
      refuse('checkpoint/bad-config', {
        path: join(dir, 'config.json'),
        key: family.dims['layers']!.keys[0]!,
        why: `is ${dims['layers']!}, but the files hold ${beyond}`,
      });
  }
  if (unknown.length > 0 && missing.length === 0)
    refuse('checkpoint/unknown-tensors', { path: dir, names: unknown });
  if (missing.length > 0) refuse('checkpoint/missing-tensors', { path: dir, names: missing });
  return new Map(
    expected.map(({ name, spec }) => {
      const { dtype: word, shape, file, start, bytes, name: stored } = named.get(name)!;
      const dtype = fromSafetensors(word);
      const wanted = shapeOf(spec.layout, dims);
      if (shape.length !== wanted.length || shape.some((side, i) => side !== wanted[i]))
        refuse('checkpoint/wrong-shape', { path: dir, name: stored, found: shape, expected: wanted });
      return [
        name,
        {
          name,
          stored,
          shape,
          file,
          start,
          bytes,
          dtype:
            dtype !== undefined && isWeightDType(dtype)
              ? dtype
              : refuse('safetensors/unknown-dtype', { path: file, name: stored, dtype: word }),
        },
      ];
    }),
  );
}

/** The record that Cambium leaves in a folder it grew. */
async function growthOf(dir: string): Promise<GrowthRecord | null> {
  const path = join(dir, growthRecordFile);
  if (!(await exists(path))) return null;
  const record = await readObject(path);
  if (
    record['version'] !== 1 ||
    typeof record['source'] !== 'string' ||
    typeof record['method'] !== 'string' ||
    !isObject(record['plan'])
  )
    return refuse('file/bad-json', { path, why: 'it is not a growth record of version 1' });
  return record as unknown as GrowthRecord;
}

/** A folder's own name; for a snapshot in the Hugging Face cache, the repository's. */
export function checkpointName(dir: string): string {
  const repository = basename(dirname(dirname(dir)));
  return basename(dirname(dir)) === 'snapshots' && repository.startsWith('models--')
    ? repository.slice('models--'.length).replaceAll('--', '/')
    : basename(dir);
}

/** What is shown of a described checkpoint. */
export function cardOf(
  dir: string,
  config: JsonObject,
  { family, dims, settings, refs }: Described,
  known: Pick<CheckpointCard, 'name' | 'tokenizer'>,
): CheckpointCard {
  const all = [...refs.values()];
  return {
    dir,
    ...known,
    family: family.id,
    familyTitle: family.title,
    dims,
    settings,
    config,
    dtypes: [...new Set(all.map((ref) => ref.dtype))],
    parameters: parameterCount(family, dims, settings),
    ...(family.mixture ? { active: activeCount(family, dims, settings) } : {}),
    groups: groupCounts(family, dims, settings),
    bytes: all.reduce((sum, ref) => sum + ref.bytes, 0),
    shards: new Set(all.map((ref) => ref.file)).size,
    tied: settings['tied'] === true,
    tensors: all.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
  };
}

const refOf = (checkpoint: Checkpoint, name: string): TensorRef =>
  checkpoint.refs.get(name) ?? refuse('checkpoint/missing-tensors', { path: checkpoint.dir, names: [name] });

/** The bytes of one weight in its own dtype; `into`, when given, must be as long as the weight. */
export async function readTensor(
  checkpoint: Checkpoint,
  name: string,
  into?: Uint8Array,
): Promise<Uint8Array> {
  const ref = refOf(checkpoint, name);
  const bytes = into ?? new Uint8Array(ref.bytes);
  if (bytes.byteLength !== ref.bytes)
    throw new RangeError(`${name} has ${ref.bytes} bytes, not ${bytes.byteLength}`);
  await readBytes(ref.file, ref.start, bytes);
  return bytes;
}

/** As `readTensor`, past the system's page cache into `memory` (of past-cache.ts, with room for it). */
export async function readLargeTensor(
  checkpoint: Checkpoint,
  name: string,
  memory: SharedArrayBuffer,
): Promise<Uint8Array> {
  const { file, start, bytes } = refOf(checkpoint, name);
  return readPastCache(file, start, bytes, memory);
}

/** A run of one weight's bytes, from byte `offset` of the weight on, as long as `into`. */
export async function readTensorRange(
  checkpoint: Checkpoint,
  name: string,
  offset: number,
  into: Uint8Array,
): Promise<void> {
  const ref = refOf(checkpoint, name);
  if (offset < 0 || offset + into.byteLength > ref.bytes)
    throw new RangeError(`${name} has no bytes ${offset} to ${offset + into.byteLength}`);
  await readBytes(ref.file, ref.start + offset, into);
}

/** Refuses weights with an infinity or a NaN among them. */
export function checkFinite(values: Float32Array, path: string, name: string): void {
  if (allFinite(values)) return;
  refuse('checkpoint/not-finite', {
    path,
    name,
    count: values.reduce((n, v) => n + (Number.isFinite(v) ? 0 : 1), 0),
  });
}
