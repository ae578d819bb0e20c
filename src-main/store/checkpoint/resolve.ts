/**
 * @file Matches the tensors stored in safetensors files with config.json and the weights of the model's
 * family, from the headers alone. Works on a local folder and on a repository of the Hub.
 */
import { join } from 'node:path';
import { AppError, refuse } from '../../base/errors.ts';
import { toText, type JsonObject } from '../../base/json.ts';
import { parseSafetensorsDType, isWeightDType, type WeightDType } from '../../tensor/dtype.ts';
import { storedShapeOf, type Dims, type Layout } from '../../tensor/layout.ts';
import { defaultSizes, dimsOf, settingsOf } from '../../model/config.ts';
import { familyOf } from '../../model/families/index.ts';
import { isBuffer } from '../../model/buffers.ts';
import { tensorKey, type ModelFamily, type Settings } from '../../model/family.ts';
import { parametersOf } from '../../model/parameters.ts';
import { readConfig } from '../../model/read-config.ts';
import { textConfigOf, textNameOf } from '../../model/families/text-model.ts';
import { resolveStoredName, styleOf, type NameStyle, type ResolvedName } from '../../model/tensor-names.ts';
import { isObject } from '../fs/files.ts';
import type { StoredTensor } from './shards.ts';
import { findLoadedDType, resolveTiedHead, type Comparison } from './tied-head.ts';

/** Where one weight is stored. */
export interface TensorRef {
  /** The family's name of the weight. */
  readonly name: string;
  /** Its name in the file. */
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
  /** config.json as `readConfig` returns it. */
  readonly config: JsonObject;
  /** What was changed in it, as sentences without a full stop. */
  readonly notes: readonly string[];
  /** Keys of sizes that config.json lacks, with the defaults of transformers that stand for them. */
  readonly absentSizes: ReadonlyMap<string, number>;
  /** The `model_type` of a multimodal checkpoint, of which only the text model is opened. */
  readonly multimodalType?: string;
}

/** A checkpoint as config.json and the headers describe it. */
export interface ResolvedCheckpoint extends ParsedConfig {
  readonly settings: Settings;
  /** Keyed by the family's names, in the order of its table. A tied head has no entry. */
  readonly tensors: ReadonlyMap<string, TensorRef>;
  readonly nameStyle: NameStyle;
  /** Stored names of buffers that are not read. */
  readonly ignored: readonly string[];
}

/**
 * Reads the family and the sizes from config.json. Refuses `checkpoint/quantized`,
 * `checkpoint/unknown-family`, `checkpoint/unsupported` and `checkpoint/bad-config`. `dir` is a folder or the
 * name of a repository.
 */
export function parseConfig(dir: string, given: JsonObject): ParsedConfig {
  const quantization = given['quantization_config'];
  if (isObject(quantization))
    refuse('checkpoint/quantized', {
      path: dir,
      how: toText(quantization['quant_method'] ?? 'quantization_config'),
    });
  const text = textConfigOf(given);
  const own = text ?? given;
  const family = familyOf(own);
  const path = join(dir, 'config.json');
  return withConfigPath(path, () => {
    const { config, notes } = readConfig(family, own);
    const dims = dimsOf(family, config, path);
    const parsed = { family, dims, config, notes, absentSizes: defaultSizes(family, own) };
    return text ? { ...parsed, multimodalType: toText(given['model_type']) } : parsed;
  });
}

/** Names the file in an error about a config.json whose place its thrower does not know. */
function withConfigPath<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'checkpoint/bad-config') throw error;
    throw new AppError(error.code, { ...(error.detail as object), path });
  }
}

/**
 * Finds every weight of the family among the `stored` tensors. Refuses weights that are missing, unknown,
 * quantized, or of another shape than config.json implies. `dir` is a folder or the name of a repository.
 */
export async function resolveCheckpoint(
  dir: string,
  parsed: ParsedConfig,
  stored: ReadonlyMap<string, StoredTensor>,
  comparison: Comparison,
): Promise<ResolvedCheckpoint> {
  const { family, dims, absentSizes, multimodalType } = parsed;
  return explainAbsentSizes(dir, absentSizes, async () => {
    checkCounts(dir, family, dims, stored.size);
    const part = multimodalType === undefined ? undefined : selectTextModel(multimodalType, stored);
    const resolved = resolveNames(dir, family, part?.stored ?? stored);
    const { named, unknown, nameStyle } = resolved;
    const ignored = [...resolved.ignored, ...(part?.leftOut ?? [])];
    const typed = withDType(family, parsed.config, named);
    const { config, tensors, notes } = await resolveTiedHead(family, typed, named, comparison);
    // `checkCounts` comes first: some settings have one entry per layer.
    const settings = withConfigPath(join(dir, 'config.json'), () => settingsOf(family, config));
    const model = { family, dims, config, settings };
    return {
      ...model,
      absentSizes,
      notes: [...parsed.notes, ...(part?.notes ?? []), ...notes],
      nameStyle,
      ignored,
      tensors: matchTensors(dir, model, tensors, unknown),
    };
  });
}

/** Where weights do not fit, and a size is a default, names the size that config.json lacks. */
async function explainAbsentSizes<T>(
  dir: string,
  absent: ReadonlyMap<string, number>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof AppError) || !isMisfit(error) || absent.size === 0) throw error;
    const keys = [...absent.keys()].join(', ');
    const defaults = [...absent.values()].join(', ');
    const why = `is missing, and the default of transformers (${defaults}) does not fit the weights`;
    return refuseConfig(dir, keys, why);
  }
}

const isMisfit = ({ code }: AppError): boolean =>
  ['checkpoint/bad-config', 'checkpoint/missing-tensors', 'checkpoint/wrong-shape'].includes(code);

/** Of a family that computes with the dtype of its weights: config.json with that dtype, if it names none. */
const withDType = (
  { settings }: ModelFamily,
  config: JsonObject,
  tensors: ReadonlyMap<string, StoredTensor>,
): JsonObject =>
  settings['dtype'] === undefined || (config['dtype'] ?? config['torch_dtype'] ?? null) !== null
    ? config
    : { ...config, torch_dtype: findLoadedDType(config, tensors) };

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

interface NamedTensors {
  /** By the family's names. */
  readonly named: ReadonlyMap<string, StoredTensor>;
  /** Stored names that are neither weights of the family nor buffers. */
  readonly unknown: readonly string[];
  readonly ignored: readonly string[];
  readonly nameStyle: NameStyle;
}

/** The stored weights of the text model of a multimodal checkpoint by their names in it, and what is left out. */
function selectTextModel(
  type: string,
  stored: ReadonlyMap<string, StoredTensor>,
): {
  readonly stored: ReadonlyMap<string, StoredTensor>;
  readonly leftOut: readonly string[];
  readonly notes: readonly string[];
} {
  const kept = new Map<string, StoredTensor>();
  const leftOut: string[] = [];
  const modules = new Set<string>();
  for (const [name, tensor] of stored) {
    const found = textNameOf(name);
    if (found && 'module' in found) {
      modules.add(found.module);
      leftOut.push(name);
    } else kept.set(found?.name ?? name, tensor);
  }
  const others = modules.size === 0 ? '' : `, without ${[...modules].join(' and ')}`;
  const note = `only the text model of this ${type} checkpoint is opened${others}`;
  return { stored: kept, leftOut, notes: [note] };
}

/** Finds the weight of every stored name, and leaves buffers out. Refuses a weight that is stored twice. */
function resolveNames(
  dir: string,
  family: ModelFamily,
  stored: ReadonlyMap<string, StoredTensor>,
): NamedTensors {
  const named = new Map<string, StoredTensor>();
  const names: ResolvedName[] = [];
  const unknown: string[] = [];
  const ignored: string[] = [];
  for (const [storedName, tensor] of stored) {
    const found = resolveStoredName(family, storedName);
    if (!found) {
      const isIgnored = isBuffer(storedName, tensor.shape, { rotary: family.rope !== undefined });
      (isIgnored ? ignored : unknown).push(storedName);
      continue;
    }
    const other = named.get(found.name);
    if (other) refuse('checkpoint/stored-twice', { path: dir, names: [other.name, storedName] });
    named.set(found.name, tensor);
    names.push(found);
  }
  return { named, unknown, ignored, nameStyle: styleOf(names, family.head.weight) };
}

type Model = Pick<ResolvedCheckpoint, 'family' | 'dims' | 'settings'>;

/** A reference for each weight of the family's table. */
function matchTensors(
  dir: string,
  { family, dims, settings }: Model,
  tensors: ReadonlyMap<string, StoredTensor>,
  unknownNames: readonly string[],
): ReadonlyMap<string, TensorRef> {
  const expected = parametersOf(family, dims, settings);
  const names = new Set(expected.map((parameter) => parameter.name));
  const packed = [...tensors.values()].find(({ dtype }) => /^([UI]8$|F8_|F4$|F6_)/.test(dtype));
  if (packed) refuse('checkpoint/quantized', { path: dir, how: `${packed.name} is ${packed.dtype}` });
  const { weight, tiedTo } = family.head;
  if (names.has(weight) && !tensors.has(weight) && tensors.has(tiedTo))
    refuseConfig(
      dir,
      'tie_word_embeddings',
      `is false or absent, but there is no ${weight}; it should be true if the head is ${tiedTo}`,
    );
  const missing = expected.map(({ name }) => name).filter((name) => !tensors.has(name));
  const surplus = [...tensors].filter(([name]) => !names.has(name));
  checkLayers(dir, family, dims['layers']!, surplus);
  const unknown = [...unknownNames, ...surplus.map(([, tensor]) => tensor.name)];
  if (unknown.length > 0 && missing.length === 0)
    refuse('checkpoint/unknown-tensors', { path: dir, names: unknown });
  if (missing.length > 0) refuse('checkpoint/missing-tensors', { path: dir, names: missing });
  return new Map(
    expected.map(({ name, spec }) => [name, createRef(dir, name, spec.layout, dims, tensors.get(name)!)]),
  );
}

/** Refuses weights whose layer number is not below `layers`: config.json has too few layers. */
function checkLayers(
  dir: string,
  family: ModelFamily,
  layers: number,
  surplus: readonly (readonly [name: string, tensor: StoredTensor])[],
): void {
  const layerOf = (name: string): number => Number(/\.(\d+)\./.exec(name)?.[1] ?? -1);
  const beyond = surplus.find(([name]) => tensorKey(name).includes('{layer}') && layerOf(name) >= layers);
  if (beyond)
    refuseConfig(dir, family.dims['layers']!.keys[0]!, `is ${layers}, but the files hold ${beyond[1].name}`);
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
