/**
 * @file Writes a checkpoint folder in the Hugging Face format, weight by weight. The size of every file is
 * known before the first byte, and the folder appears atomically.
 */
import { readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Json, JsonObject } from '../../base/json.ts';
import { byteLengthOf, isWeightDType, type WeightDType } from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';
import type { Certificate } from '../../model/certificate.ts';
import type { TensorSummary } from '../../model/summary.ts';
import { refuse } from '../../base/errors.ts';
import { growthRecordFile } from '../../model/records.ts';
import type { ModelFamily } from '../../model/family.ts';
import { storedNameOf, type NameStyle } from '../../model/tensor-names.ts';
import { writeJson, writeOrRefuse, writeText } from '../fs/files.ts';
import { createPartialFolder, withFinalPath, type FolderOptions } from '../fs/folder.ts';
import { readJsonInside } from '../fs/inside.ts';
import { copyAuxiliaryFiles, listAuxiliaryFiles } from './auxiliary-files.ts';
import { formatModelCard, type ModelCard } from './model-card.ts';
import { createSafetensorsWriter, encodeHeader, sortTensors, type SafetensorsWriter } from './safetensors.ts';
import { safetensorsFile, safetensorsIndexFile } from './shards.ts';

/** The default `max_shard_size` of huggingface_hub. */
const defaultMaxShardBytes = 5_000_000_000;
/** An upper bound of config.json, README.md and the index together. */
const smallFilesBytes = 1_000_000;

export interface CheckpointWriterOptions extends FolderOptions {
  readonly target: string;
  readonly family: ModelFamily;
  /** How names are stored, as in the source. Default: as transformers' causal language model has them. */
  readonly nameStyle?: NameStyle;
  readonly config: JsonObject;
  /** With the family's names, in the order in which shards are filled. */
  readonly tensors: readonly TensorSummary[];
  /** The folder whose tokenizer, license and generation config are copied. */
  readonly auxiliaryFilesFrom?: string;
  /** Becomes README.md. The source's is not copied, because it describes another model. */
  readonly modelCard?: ModelCard;
  readonly maxShardBytes?: number;
}

export interface CheckpointWriter {
  /** The family's names in the order in which they must be written. */
  readonly order: readonly string[];
  /** Size of all weight files. */
  readonly bytes: number;
  /** The folder while it is being written. */
  readonly temporaryDir: string;
  /** What was changed in copied files: sentences without a full stop. */
  readonly notes: readonly string[];
  /** Writes the next bytes of a weight. */
  write(name: string, chunk: Uint8Array): Promise<void>;
  /** Adds text files such as growth.json, renames the folder to its target, and returns its file names. */
  finish(extraFiles?: Readonly<Record<string, string>>): Promise<readonly string[]>;
  /** Removes the folder. */
  abort(): Promise<void>;
}

/**
 * Formats config.json. transformers validates some values as floats and refuses 30 for 30.0, which JSON.stringify
 * does not tell apart.
 */
export const formatConfig = (family: ModelFamily, config: JsonObject): string =>
  (family.floatKeys ?? []).reduce(
    (text, key) => text.replace(new RegExp(`^(  "${key}": -?\\d+)(,?)$`, 'm'), '$1.0$2'),
    `${JSON.stringify(config, null, 2)}\n`,
  );

/**
 * Prepares config.json for export: keeps unknown keys, removes paths and remote code, names the class of a causal
 * language model for weights with a head, and sets the dtype under the key that the source uses (`dtype` or
 * `torch_dtype`).
 */
export function exportConfig(
  family: ModelFamily,
  config: JsonObject,
  dtype: WeightDType,
  { hasHead = false }: { readonly hasHead?: boolean } = {},
): JsonObject {
  const out: Record<string, Json> = { ...config };
  delete out['_name_or_path'];
  delete out['auto_map'];
  const architectures = Array.isArray(out['architectures']) ? out['architectures'] : [];
  // The class of a base model, such as LlamaModel, has no head.
  if (architectures.length === 0 || (hasHead && !architectures.includes(family.architecture)))
    out['architectures'] = [family.architecture];
  const dtypeKeys = ['dtype', 'torch_dtype'].filter((key) => key in out);
  for (const key of dtypeKeys.length > 0 ? dtypeKeys : ['torch_dtype']) out[key] = dtype;
  return out;
}

/**
 * Splits tensors into shards in order: a tensor that would exceed the limit starts the next shard. A tensor
 * larger than the limit gets a shard to itself.
 */
export function splitIntoShards<T extends TensorSummary>(
  tensors: readonly T[],
  maxShardBytes = defaultMaxShardBytes,
): readonly { readonly file: string; readonly tensors: readonly T[] }[] {
  const groups: T[][] = [[]];
  let filled = 0;
  for (const tensor of tensors) {
    const bytes = countBytes([tensor]);
    if (filled > 0 && filled + bytes > maxShardBytes) {
      groups.push([]);
      filled = 0;
    }
    groups.at(-1)!.push(tensor);
    filled += bytes;
  }
  if (groups.length === 1) return [{ file: safetensorsFile, tensors: groups[0]! }];
  const pad = (n: number): string => String(n).padStart(5, '0');
  return groups.map((group, i) => ({
    file: `model-${pad(i + 1)}-of-${pad(groups.length)}.safetensors`,
    tensors: group,
  }));
}

/** The dtype with the most bytes; config.json names it. */
export function findMainDType(tensors: readonly TensorSummary[]): WeightDType {
  const bytes = new Map<WeightDType, number>();
  for (const tensor of tensors)
    bytes.set(tensor.dtype, (bytes.get(tensor.dtype) ?? 0) + countBytes([tensor]));
  return [...bytes].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'float32';
}

const countBytes = (tensors: readonly TensorSummary[]): number =>
  tensors.reduce((sum, { dtype, shape }) => sum + byteLengthOf(dtype, countElements(shape)), 0);

/** A tensor with its stored name as `name`, and the family's name. */
type ShardTensor = TensorSummary & { readonly familyName: string };
interface Shard {
  readonly file: string;
  readonly tensors: readonly ShardTensor[];
}

function planShards({
  family,
  nameStyle = 'causal',
  tensors,
  maxShardBytes,
}: CheckpointWriterOptions): readonly Shard[] {
  const stored = tensors.map(({ name, dtype, shape }) => ({
    name: storedNameOf(family, nameStyle, name),
    familyName: name,
    dtype,
    shape,
  }));
  return splitIntoShards(stored, maxShardBytes);
}

/**
 * Creates the folder with config.json, the model card and the auxiliary files. Refuses `file/exists` and
 * `file/no-space` before it writes.
 */
export async function createCheckpointWriter(options: CheckpointWriterOptions): Promise<CheckpointWriter> {
  const { target, family, config, tensors, auxiliaryFilesFrom, modelCard } = options;
  if (tensors.length === 0 || tensors.some(({ dtype }) => !isWeightDType(dtype)))
    throw new RangeError('a checkpoint has weights, of a weight dtype');
  const shards = planShards(options);
  const headers = shards.map((shard) => encodeHeader(sortTensors(shard.tensors), { format: 'pt' }).length);
  const bytes = countBytes(tensors) + headers.reduce((a, b) => a + b, 0);
  const auxiliary = auxiliaryFilesFrom === undefined ? [] : await listAuxiliaryFiles(auxiliaryFilesFrom);
  const allBytes = bytes + auxiliary.reduce((sum, file) => sum + file.bytes, 0) + smallFilesBytes;
  const folder = await createPartialFolder(target, {
    ...options,
    requiredBytes: Math.max(options.requiredBytes ?? 0, allBytes),
  });
  const pathOf = (name: string): string => join(folder.path, name);
  const shardWriter = createShardWriter(folder.path, shards, target);
  let ended = false;
  const abort = async (): Promise<void> => {
    if (ended) return;
    ended = true;
    await shardWriter.abort();
    await folder.abort();
  };
  const abortOnError = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await writeOrRefuse(target, work, bytes);
    } catch (error) {
      await abort();
      throw withFinalPath(error, folder.path, target);
    }
  };
  const notes = await abortOnError(async () => {
    const changes = await copyAuxiliaryFiles(auxiliary, folder.path);
    const hasHead = tensors.some(({ name }) => name === family.head.weight);
    const exported = exportConfig(family, config, findMainDType(tensors), { hasHead });
    await writeText(pathOf('config.json'), formatConfig(family, exported));
    if (modelCard) await writeFile(pathOf('README.md'), formatModelCard(modelCard, basename(target)));
    await shardWriter.open();
    return changes;
  });
  return {
    order: shards.flatMap((shard) => sortTensors(shard.tensors).map((tensor) => tensor.familyName)),
    bytes,
    temporaryDir: folder.path,
    notes,
    write: (name, chunk) => abortOnError(() => shardWriter.write(name, chunk)),
    finish: (extraFiles = {}) =>
      abortOnError(async () => {
        await shardWriter.finish();
        for (const [name, text] of Object.entries(extraFiles)) await writeFile(pathOf(name), text);
        if (shards.length > 1) await writeJson(pathOf(safetensorsIndexFile), createIndex(tensors, shards));
        const files = (await readdir(folder.path)).sort();
        await folder.commit();
        ended = true;
        return files;
      }),
    abort,
  };
}

interface ShardWriter {
  /** Opens the first shard. */
  open(): Promise<void>;
  write(familyName: string, chunk: Uint8Array): Promise<void>;
  /** Finishes the open shard. Throws when a weight is incomplete. */
  finish(): Promise<void>;
  abort(): Promise<void>;
}

/** Writes the shards of `folder` one after the other. */
function createShardWriter(folder: string, shards: readonly Shard[], target: string): ShardWriter {
  const locations = new Map(
    shards.flatMap((shard, index) =>
      shard.tensors.map(({ familyName, name }) => [familyName, { index, storedName: name }] as const),
    ),
  );
  let current: SafetensorsWriter | undefined;
  let currentIndex = -1;
  const openNext = async (): Promise<void> => {
    const previous = current;
    current = undefined;
    await previous?.finish();
    currentIndex++;
    const next = shards[currentIndex];
    if (next) current = await createSafetensorsWriter(join(folder, next.file), next.tensors);
  };
  return {
    open: openNext,
    async write(familyName, chunk) {
      const location = locations.get(familyName);
      if (location === undefined) throw new RangeError(`${familyName} is not among the weights of ${target}`);
      while (currentIndex < location.index) await openNext();
      await current!.write(location.storedName, chunk);
    },
    async finish() {
      while (currentIndex < shards.length) await openNext();
    },
    async abort() {
      await current?.abort();
    },
  };
}

/** model.safetensors.index.json, as huggingface_hub writes it. */
function createIndex(tensors: readonly TensorSummary[], shards: readonly Shard[]): Json {
  const weightMap = shards
    .flatMap((shard) => shard.tensors.map((tensor) => [tensor.name, shard.file] as const))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const parameters = tensors.reduce((sum, { shape }) => sum + countElements(shape), 0);
  return {
    metadata: { total_parameters: parameters, total_size: countBytes(tensors) },
    weight_map: Object.fromEntries(weightMap),
  };
}

/** Writes the certificate, and `notes` if there are any, into growth.json of a grown checkpoint. */
export async function writeCertificate(
  dir: string,
  certificate: Certificate,
  notes: readonly string[] = [],
): Promise<void> {
  const path = join(dir, growthRecordFile);
  const record = (await readJsonInside(dir, growthRecordFile)) ?? refuse('file/not-found', { path });
  const added = notes.length > 0 ? { notes } : {};
  await writeJson(path, { ...record, certificate, ...added });
}
