/** @file Opens a Hugging Face checkpoint folder without reading its weights, and reads weights by name. */
import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { refuse } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { areAllFinite } from '../../tensor/range.ts';
import { countActiveParameters, countByGroup, countParameters } from '../../model/parameters.ts';
import { readCertificate } from '../../model/certificate.ts';
import { growthRecordFile, type GrowthRecord } from '../../model/records.ts';
import type { CheckpointSummary } from '../../model/summary.ts';
import { hasChatTemplate } from '../data/chat-template.ts';
import { readTokenizerInfo } from '../data/tokenizer.ts';
import { readDirect } from '../fs/direct-io.ts';
import { exists, isObject, readOrRefuse } from '../fs/files.ts';
import { readJsonInside, refuseCacheFolder } from '../fs/inside.ts';
import { parseConfig, resolveCheckpoint, type ResolvedCheckpoint, type TensorRef } from './resolve.ts';
import { readBytes } from './safetensors.ts';
import { listShards, readShardHeaders } from './shards.ts';
import type { ReadRange } from './tied-head.ts';

/** A checkpoint folder whose files agree with each other. */
export interface Checkpoint extends ResolvedCheckpoint {
  readonly dir: string;
  readonly summary: CheckpointSummary;
  /** The record of its growth; null when Cambium did not grow it. */
  readonly growth: GrowthRecord | null;
}

/**
 * Opens a checkpoint folder: reads config.json and the headers of the safetensors files, and checks every
 * weight against the model's family. Refuses a folder with any fault, naming the file or weight.
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const dir = resolve(folder);
  const found = await readOrRefuse(dir, () => stat(dir));
  if (!found.isDirectory()) refuse('file/not-a-folder', { path: dir });
  const parsed = parseConfig(dir, await readConfigFile(dir));
  const stored = await readShardHeaders(dir, await listShards(dir));
  const resolved = await resolveCheckpoint(dir, parsed, stored, { read: readRange });
  const growth = await readGrowthRecord(dir);
  const name = getCheckpointName(dir);
  const info = await readTokenizerInfo(dir);
  const tokenizer = info && (await hasChatTemplate(dir)) ? { ...info, chat: true as const } : info;
  const summary = summarizeCheckpoint(dir, resolved, { name, tokenizer });
  if (!growth) return { dir, ...resolved, growth, summary };
  const { source, method, certificate } = growth;
  const grownFrom = { source, method, certificate };
  return { dir, ...resolved, growth, summary: { ...summary, grownFrom } };
}

async function readConfigFile(dir: string): Promise<JsonObject> {
  const config = await readJsonInside(dir, 'config.json');
  if (config) return config;
  await refuseCacheFolder(dir);
  return (await exists(join(dir, 'adapter_config.json')))
    ? refuse('checkpoint/adapter', { path: dir })
    : refuse('checkpoint/no-config', { path: dir });
}

const readRange: ReadRange = async ({ file, offset }, start, length) => {
  const bytes = Buffer.allocUnsafe(length);
  await readBytes(file, offset + start, bytes);
  return bytes;
};

/** Reads growth.json, with its certificate in the current version; null when there is none. Refuses `file/bad-json`. */
async function readGrowthRecord(dir: string): Promise<GrowthRecord | null> {
  const record = await readJsonInside(dir, growthRecordFile);
  if (!record) return null;
  const path = join(dir, growthRecordFile);
  if (
    record['version'] !== 1 ||
    typeof record['source'] !== 'string' ||
    typeof record['method'] !== 'string' ||
    !isObject(record['plan'])
  )
    return refuse('file/bad-json', { path, why: 'it is not a growth record of version 1' });
  const { certificate = null, ...rest } = record;
  if (certificate === null) return { ...(rest as unknown as GrowthRecord), certificate };
  const reading = readCertificate(certificate, record['method']);
  if ('problem' in reading) return refuse('file/bad-json', { path, why: reading.problem });
  return { ...(rest as unknown as GrowthRecord), certificate: reading.certificate };
}

/** The name of a folder; for a snapshot in the Hugging Face cache, the name of its repository. */
export function getCheckpointName(dir: string): string {
  const repoFolder = basename(dirname(dirname(dir)));
  return basename(dirname(dir)) === 'snapshots' && repoFolder.startsWith('models--')
    ? repoFolder.slice('models--'.length).replaceAll('--', '/')
    : basename(dir);
}

/** Collects what the interface shows of a checkpoint. `dir` is a folder or the name of a repository. */
export function summarizeCheckpoint(
  dir: string,
  { family, dims, config, settings, tensors, notes, ignored }: ResolvedCheckpoint,
  known: Pick<CheckpointSummary, 'name' | 'tokenizer'>,
): CheckpointSummary {
  const all = [...tensors.values()];
  return {
    dir,
    ...known,
    family: family.id,
    familyTitle: family.title,
    dims,
    settings,
    config,
    dtypes: [...new Set(all.map((tensor) => tensor.dtype))],
    parameters: countParameters(family, dims, settings),
    ...(family.mixture ? { active: countActiveParameters(family, dims, settings) } : {}),
    groups: countByGroup(family, dims, settings),
    bytes: all.reduce((sum, tensor) => sum + tensor.bytes, 0),
    shards: new Set(all.map((tensor) => tensor.file)).size,
    tied: settings['tied'] === true,
    notes,
    ignored,
    tensors: all.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
  };
}

function getTensorRef({ dir, tensors }: Checkpoint, name: string): TensorRef {
  return tensors.get(name) ?? refuse('checkpoint/missing-tensors', { path: dir, names: [name] });
}

/** Reads the bytes of one weight in its stored dtype. `into`, when given, has exactly its length. */
export async function readTensor(
  checkpoint: Checkpoint,
  name: string,
  into?: Uint8Array,
): Promise<Uint8Array> {
  const tensor = getTensorRef(checkpoint, name);
  const bytes = into ?? new Uint8Array(tensor.bytes);
  if (bytes.byteLength !== tensor.bytes)
    throw new RangeError(`${name} has ${tensor.bytes} bytes, not ${bytes.byteLength}`);
  await readBytes(tensor.file, tensor.offset, bytes);
  return bytes;
}

/**
 * As `readTensor`, with direct I/O into `memory`, which is aligned and holds `getDirectReadCapacity` of the
 * weight's bytes (direct-io.ts).
 */
export async function readTensorDirect(
  checkpoint: Checkpoint,
  name: string,
  memory: SharedArrayBuffer,
): Promise<Uint8Array> {
  const { file, offset, bytes } = getTensorRef(checkpoint, name);
  return readDirect(file, offset, bytes, memory);
}

/** Reads `into.byteLength` bytes of one weight, from its byte `offset` on. */
export async function readTensorRange(
  checkpoint: Checkpoint,
  name: string,
  offset: number,
  into: Uint8Array,
): Promise<void> {
  const tensor = getTensorRef(checkpoint, name);
  if (offset < 0 || offset + into.byteLength > tensor.bytes)
    throw new RangeError(`${name} has no bytes ${offset} to ${offset + into.byteLength}`);
  await readBytes(tensor.file, tensor.offset + offset, into);
}

/** Refuses `checkpoint/not-finite` when a weight holds an infinity or a NaN. */
export function checkFinite(values: Float32Array, path: string, name: string): void {
  if (areAllFinite(values)) return;
  const count = values.reduce((n, value) => n + (Number.isFinite(value) ? 0 : 1), 0);
  refuse('checkpoint/not-finite', { path, name, count });
}
