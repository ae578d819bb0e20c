/**
 * @file Reads and writes safetensors files. The header is checked as untrusted input, and the writer knows all
 * offsets before the first byte. Format: https://github.com/huggingface/safetensors.
 */
import type { FileHandle } from 'node:fs/promises';
import { anyJson, parseJson, type Json } from '../../base/json.ts';
import { refuse } from '../../base/errors.ts';
import { byteLengthOf, dtypes, type DType } from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';
import { isObject, openRegularFile, readOrRefuse, writeOrRefuse } from '../fs/files.ts';
import { createSequentialFile } from '../fs/sequential-file.ts';

/** One tensor of a file. */
export interface SafetensorsEntry {
  readonly name: string;
  /** As the file spells it, such as `BF16`. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** The tensor's first byte, from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Size of the file. */
  readonly bytes: number;
}

/** Bits per element of every dtype in the format. */
const dtypeBits: Readonly<Record<string, number>> = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  I64: 64,
  U64: 64,
  F64: 64,
  C64: 64,
};
/** The limit of the safetensors library. */
export const maxHeaderBytes = 100_000_000;
/** Reads are split: system calls take at most 2 GiB. */
const maxReadBytes = 1 << 26;

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Fills `into` from byte `start` of the file on. Refuses `safetensors/truncated`. */
export async function readInto(
  file: FileHandle,
  path: string,
  start: number,
  into: Uint8Array,
): Promise<void> {
  for (let done = 0; done < into.byteLength;) {
    const length = Math.min(maxReadBytes, into.byteLength - done);
    const { bytesRead } = await file.read(into, done, length, start + done);
    if (bytesRead === 0)
      refuse('safetensors/truncated', { path, expected: start + into.byteLength, found: start + done });
    done += bytesRead;
  }
}

async function withFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const { file } = await openRegularFile(path);
  try {
    return await readOrRefuse(path, () => work(file));
  } finally {
    await file.close();
  }
}

/** Fills `into` with the bytes of `path` from `start` on. */
export const readBytes = (path: string, start: number, into: Uint8Array): Promise<void> =>
  withFile(path, (file) => readInto(file, path, start, into));

/**
 * Reads the header of a file. Refuses `safetensors/bad-header` and `safetensors/truncated`; the tensors must
 * cover the file without gaps or overlaps.
 */
export const readHeader = (path: string): Promise<SafetensorsHeader> =>
  withFile(path, async (file) => {
    const refuseHeader = (why: string): never => refuse('safetensors/bad-header', { path, why });
    const { size } = await file.stat();
    if (size < 8) return refuse('safetensors/truncated', { path, expected: 8, found: size });
    const first = Buffer.alloc(8);
    await readInto(file, path, 0, first);
    if (first.toString('latin1') === 'version ')
      return refuseHeader('it is a Git LFS pointer, not the file itself');
    const length = first.readBigUInt64LE();
    if (length > BigInt(maxHeaderBytes))
      return refuseHeader(`its length is ${length} bytes, above the limit of ${maxHeaderBytes}`);
    const dataStart = 8 + Number(length);
    if (size < dataStart) return refuse('safetensors/truncated', { path, expected: dataStart, found: size });
    const text = Buffer.alloc(Number(length));
    await readInto(file, path, 8, text);
    const { entries, metadata, end } = parseHeader(text, dataStart, refuseHeader);
    if (size < end) return refuse('safetensors/truncated', { path, expected: end, found: size });
    if (size > end) return refuseHeader(`${size - end} bytes follow the last tensor`);
    return { entries, metadata, bytes: size };
  });

export interface ParsedHeader {
  readonly entries: Map<string, SafetensorsEntry>;
  readonly metadata: Record<string, string>;
  /** The byte after the last tensor. */
  readonly end: number;
}

/**
 * Parses the JSON of a header. `dataStart` is the file's first byte after it. Calls `refuseHeader` for
 * anything that the format does not allow.
 */
export function parseHeader(
  text: Uint8Array,
  dataStart: number,
  refuseHeader: (why: string) => never,
): ParsedHeader {
  let header: Json;
  try {
    header = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(text), anyJson);
  } catch {
    return refuseHeader('it is not JSON');
  }
  if (!isObject(header)) return refuseHeader('it is not an object');
  const metadata: Record<string, string> = {};
  const entries: SafetensorsEntry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (!isObject(value)) return refuseHeader(`"${name}" is not an object`);
    if (name !== '__metadata__') {
      entries.push(parseEntry(name, value, dataStart, refuseHeader));
      continue;
    }
    for (const [key, entry] of Object.entries(value))
      metadata[key] = typeof entry === 'string' ? entry : refuseHeader(`__metadata__ "${key}" is not text`);
  }
  entries.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let end = dataStart;
  for (const { name, offset, bytes } of entries) {
    if (offset < end) return refuseHeader(`"${name}" overlaps the tensor before it`);
    if (offset > end) return refuseHeader(`there is a hole of ${offset - end} bytes before "${name}"`);
    end += bytes;
  }
  return { entries: new Map(entries.map((entry) => [entry.name, entry])), metadata, end };
}

function parseEntry(
  name: string,
  value: Readonly<Record<string, unknown>>,
  dataStart: number,
  refuseHeader: (why: string) => never,
): SafetensorsEntry {
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypeBits, dtype))
    return refuseHeader(`"${name}" has the unknown dtype ${JSON.stringify(dtype)}`);
  if (!Array.isArray(shape) || !shape.every(isSize))
    return refuseHeader(`"${name}" has the shape ${JSON.stringify(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize))
    return refuseHeader(`"${name}" has the offsets ${JSON.stringify(offsets)}`);
  const [start, end] = offsets as [number, number];
  const multiply = (count: number, size: number): number =>
    isSize(count * size) ? count * size : refuseHeader(`the shape of "${name}" is too large`);
  const count = shape.reduce<number>(multiply, 1);
  if (end < start || !isSize(dataStart + end))
    return refuseHeader(`"${name}" ends before it starts, or too far`);
  if (BigInt(count) * BigInt(dtypeBits[dtype]!) !== BigInt(end - start) * 8n)
    return refuseHeader(`"${name}" is [${shape.join(', ')}] of ${dtype} but has ${end - start} bytes`);
  return { name, dtype, shape, offset: dataStart + start, bytes: end - start };
}

export interface SafetensorsTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

const dtypeOrder: readonly DType[] = ['int64', 'float64', 'float32', 'int32', 'bfloat16', 'float16', 'bool'];

/** Sorts tensors as the safetensors library does: wider dtypes first, bfloat16 before float16, then by name. */
export const sortTensors = <T extends SafetensorsTensor>(tensors: readonly T[]): readonly T[] =>
  [...tensors].sort((a, b) => {
    const byDType = dtypeOrder.indexOf(a.dtype) - dtypeOrder.indexOf(b.dtype);
    if (byDType !== 0) return byDType;
    return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  });

const countBytes = ({ dtype, shape }: SafetensorsTensor): number => byteLengthOf(dtype, countElements(shape));

/**
 * The first bytes of a file: the header's length, then the header. It is padded with spaces to a multiple of 8
 * bytes, so that the first tensor is aligned.
 */
export function encodeHeader(
  sorted: readonly SafetensorsTensor[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const fields = [formatField('__metadata__', metadata)];
  let start = 0;
  for (const tensor of sorted) {
    const end = start + countBytes(tensor);
    const dtype = dtypes[tensor.dtype].safetensors;
    fields.push(formatField(tensor.name, { dtype, shape: tensor.shape, data_offsets: [start, end] }));
    start = end;
  }
  const text = Buffer.from(`{${fields.join()}}`, 'utf8');
  const padded = Math.ceil(text.length / 8) * 8;
  const out = Buffer.alloc(8 + padded, ' ');
  out.writeBigUInt64LE(BigInt(padded));
  text.copy(out, 8);
  return out;
}

/** A field of the header's JSON. JSON.stringify of one object would sort names that are numbers first. */
const formatField = (name: string, value: unknown): string =>
  `${JSON.stringify(name)}:${JSON.stringify(value)}`;

export interface SafetensorsWriter {
  /** The names in the order in which they must be written. */
  readonly order: readonly string[];
  /** Size of the file. */
  readonly bytes: number;
  /** Writes the next bytes of `name`; a tensor may be written in several chunks. */
  write(name: string, chunk: Uint8Array): Promise<void>;
  /** Syncs the file to disk and closes it. Throws when a tensor is incomplete. */
  finish(): Promise<void>;
  /** Closes the file as it is. */
  abort(): Promise<void>;
}

/** Creates a file at `path` and writes its header. Refuses `file/exists`, `file/no-space`, `file/unwritable`. */
export async function createSafetensorsWriter(
  path: string,
  tensors: readonly SafetensorsTensor[],
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Promise<SafetensorsWriter> {
  const names = new Set(tensors.map((tensor) => tensor.name));
  if (names.size !== tensors.length || names.has('__metadata__'))
    throw new RangeError('a tensor name is used twice');
  const sorted = sortTensors(tensors);
  const header = encodeHeader(sorted, metadata);
  const lengths = sorted.map(countBytes);
  const bytes = lengths.reduce((a, b) => a + b, header.length);
  const file = await writeOrRefuse(path, () => createSequentialFile(path, bytes), bytes);
  const append = (chunk: Uint8Array): Promise<void> => writeOrRefuse(path, () => file.write(chunk), bytes);
  try {
    await append(header);
  } catch (error) {
    await file.abort();
    throw error;
  }
  let current = 0;
  let filled = 0;
  const skipComplete = (): void => {
    while (current < sorted.length && filled === lengths[current]) {
      current++;
      filled = 0;
    }
  };
  skipComplete(); // empty tensors at the start
  return {
    order: sorted.map((tensor) => tensor.name),
    bytes,
    async write(name, chunk) {
      if (chunk.byteLength === 0) return;
      const expected = sorted[current]?.name;
      if (name !== expected)
        throw new RangeError(`${path}: ${name} was written where ${expected ?? 'the end'} was due`);
      if (filled + chunk.byteLength > lengths[current]!)
        throw new RangeError(`${path}: too many bytes for ${name}`);
      filled += chunk.byteLength;
      await append(chunk);
      skipComplete();
    },
    async finish() {
      if (current < sorted.length) {
        await file.abort();
        throw new RangeError(`${path}: ${sorted[current]!.name} is not complete`);
      }
      await writeOrRefuse(path, () => file.finish(), bytes);
    },
    abort: () => file.abort(),
  };
}
