/**
 * @file Matches the tensors stored in safetensors files with config.json and the weights of the model's
 * family, from the headers alone. Works on a local folder and on a repository of the Hub.
 */
import { join } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { parseSafetensorsDType, isWeightDType, type WeightDType } from '../../tensor/dtype.ts';
import { storedShapeOf, type Dims, type Layout } from '../../tensor/layout.ts';
import { dimsOf, settingsOf } from '../../model/config.ts';
import { familyOf } from '../../model/families/index.ts';
import type { ModelFamily, Settings } from '../../model/family.ts';
import { parametersOf } from '../../model/parameters.ts';
import { isObject } from '../fs/files.ts';
import type { StoredTensor } from './shards.ts';

/** Where one weight is stored. */
export interface TensorRef {
  /** The family's name of the weight. */
  readonly name: string;
  /** Its name in the file, with the prefix. */
  readonly storedName: string;
  readonly dtype: WeightDType;
  readonly shape: readonly number[];
  readonly file: string;
  /** The weight's first byte, from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface ParsedConfig {
  readonly family: ModelFamily;
  readonly dims: Dims;
}

/** A checkpoint as config.json and the headers describe it. */
export interface ResolvedCheckpoint extends ParsedConfig {
  readonly settings: Settings;
  /** Keyed by the family's names, in the order of its table. A tied head has no entry. */
  readonly tensors: ReadonlyMap<string, TensorRef>;
  /** The prefix of stored names, such as `transformer.`; empty for none. */
  readonly prefix: string;
}

/** Compares the bytes of two stored tensors. */
export type CompareTensors = (a: StoredTensor, b: StoredTensor) => Promise<boolean>;

/**
 * Reads the family and the sizes from config.json. Refuses `checkpoint/quantized`,
 * `checkpoint/unknown-family`, `checkpoint/unsupported` and `checkpoint/bad-config`. `dir` is a folder or the
 * name of a repository.
 */
export function parseConfig(dir: string, config: JsonObject): ParsedConfig {
  const quantization = config['quantization_config'];
  if (isObject(quantization))
    refuse('checkpoint/quantized', {
      path: dir,
      how: String(quantization['quant_method'] ?? 'quantization_config'),
    });
  const family = familyOf(config);
  family.assertSupported(config);
  return { family, dims: dimsOf(family, config, join(dir, 'config.json')) };
}

/**
 * Finds every weight of the family among the `stored` tensors. Refuses weights that are missing, unknown,
 * quantized, or of another shape than config.json implies. `dir` is a folder or the name of a repository.
 */
export async function resolveCheckpoint(
  dir: string,
  config: JsonObject,
  { family, dims }: ParsedConfig,
  stored: ReadonlyMap<string, StoredTensor>,
  areEqual: CompareTensors,
): Promise<ResolvedCheckpoint> {
  checkCounts(dir, family, dims, stored.size);
  // `checkCounts` comes first: some settings have one entry per layer.
  const settings = settingsOf(family, config);
  const { tensors, prefix } = stripPrefix(dir, family, stored);
  if (settings['tied'] === true) await dropTiedHead(dir, family, tensors, areEqual);
  return { family, dims, settings, prefix, tensors: matchTensors(dir, family, dims, settings, tensors) };
}

const refuseConfig = (dir: string, key: string, why: string): never =>
  refuse('checkpoint/bad-config', { path: join(dir, 'config.json'), key, why });

/** Refuses more layers or experts than there are tensors. */
function checkCounts(dir: string, family: ModelFamily, dims: Dims, count: number): void {
  for (const axis of ['layers', 'experts'] as const) {
    const size = dims[axis] ?? 0;
    if (size <= count) continue;
    const key = family.dims[axis]!.keys[0] ?? axis;
    refuseConfig(dir, key, `is ${size}, but the files hold only ${count} weights`);
  }
}

/** Removes the prefix from the stored names, and leaves buffers out. */
function stripPrefix(
  dir: string,
  family: ModelFamily,
  stored: ReadonlyMap<string, StoredTensor>,
): { tensors: Map<string, StoredTensor>; prefix: string } {
  const tensors = new Map<string, StoredTensor>();
  let prefix = '';
  for (const [storedName, tensor] of stored) {
    const ownPrefix = family.prefixes.find((one) => storedName.startsWith(one)) ?? '';
    const name = storedName.slice(ownPrefix.length);
    if (family.ignoredKeys.some((pattern) => pattern.test(name))) continue;
    if (tensors.has(name)) refuse('checkpoint/unknown-tensors', { path: dir, names: [storedName] });
    if (ownPrefix !== '') prefix = ownPrefix;
    tensors.set(name, tensor);
  }
  return { tensors, prefix };
}

/** Removes a stored copy of a tied head. Refuses a head that differs from the embedding it is tied to. */
async function dropTiedHead(
  dir: string,
  family: ModelFamily,
  tensors: Map<string, StoredTensor>,
  areEqual: CompareTensors,
): Promise<void> {
  const { weight, tiedTo } = family.head;
  const head = tensors.get(weight);
  const embedding = tensors.get(tiedTo);
  if (!head || !embedding) return;
  const isCopy =
    head.dtype === embedding.dtype && head.bytes === embedding.bytes && (await areEqual(head, embedding));
  if (!isCopy)
    refuseConfig(
      dir,
      'tie_word_embeddings',
      `says that ${weight} is ${tiedTo}, but the files hold two different weights; it should be false`,
    );
  tensors.delete(weight);
}

/** A reference for each weight of the family's table. */
function matchTensors(
  dir: string,
  family: ModelFamily,
  dims: Dims,
  settings: Settings,
  tensors: ReadonlyMap<string, StoredTensor>,
): ReadonlyMap<string, TensorRef> {
  const expected = parametersOf(family, dims, settings);
  const names = new Set(expected.map((parameter) => parameter.name));
  const packed = [...tensors].find(([, tensor]) => /^([UI]8$|F8_|F4$|F6_)/.test(tensor.dtype));
  if (packed) refuse('checkpoint/quantized', { path: dir, how: `${packed[0]} is ${packed[1].dtype}` });
  const { weight, tiedTo } = family.head;
  if (names.has(weight) && !tensors.has(weight) && tensors.has(tiedTo))
    refuseConfig(
      dir,
      'tie_word_embeddings',
      `is false or absent, but there is no ${weight}; it should be true if the head is ${tiedTo}`,
    );
  const missing = expected.map(({ name }) => name).filter((name) => !tensors.has(name));
  const unknown = [...tensors].filter(([name]) => !names.has(name)).map(([, tensor]) => tensor.name);
  checkLayers(dir, family, dims['layers']!, unknown);
  if (unknown.length > 0 && missing.length === 0)
    refuse('checkpoint/unknown-tensors', { path: dir, names: unknown });
  if (missing.length > 0) refuse('checkpoint/missing-tensors', { path: dir, names: missing });
  return new Map(
    expected.map(({ name, spec }) => [name, createRef(dir, name, spec.layout, dims, tensors.get(name)!)]),
  );
}

/** Refuses unknown weights whose layer number is not below `layers`: config.json has too few layers. */
function checkLayers(dir: string, family: ModelFamily, layers: number, unknown: readonly string[]): void {
  for (const pattern of Object.keys(family.tensors)) {
    if (!pattern.includes('{layer}')) continue;
    const [before, after] = pattern.split('{layer}') as [string, string];
    const beyond = unknown.find((name) => {
      if (!name.includes(before) || !name.endsWith(after)) return false;
      const layer = name.slice(name.indexOf(before) + before.length, -after.length);
      return Number(layer) >= layers;
    });
    if (beyond !== undefined)
      refuseConfig(dir, family.dims['layers']!.keys[0]!, `is ${layers}, but the files hold ${beyond}`);
  }
}

/** Refuses another shape than config.json implies, and a dtype that is not one of weights. */
function createRef(dir: string, name: string, layout: Layout, dims: Dims, tensor: StoredTensor): TensorRef {
  const { shape, file, offset, bytes, name: storedName } = tensor;
  const expected = storedShapeOf(layout, dims);
  if (shape.length !== expected.length || shape.some((size, i) => size !== expected[i]))
    refuse('checkpoint/wrong-shape', { path: dir, name: storedName, found: shape, expected });
  const dtype = parseSafetensorsDType(tensor.dtype);
  if (dtype === undefined || !isWeightDType(dtype))
    return refuse('safetensors/unknown-dtype', { path: file, name: storedName, dtype: tensor.dtype });
  return { name, storedName, shape, file, offset, bytes, dtype };
}
