/**
 * @file Reads the metadata and the list of tensors of a GGUF file, and single tensors. The file is checked as
 * untrusted input: every length against the size of the file, every tensor against its place.
 */
import { refuse } from '../../base/errors.ts';
import { countGgufBytes, ggufAlignment, ggufTypes, type GgufType } from '../../model/gguf/values.ts';
import { dequantizeQ80 } from '../../tensor/q8-0.ts';
import { upcast } from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';
import { openRegularFile } from '../fs/files.ts';
import { alignGguf, ggufMagic, ggufValueTypes, ggufVersion } from './gguf-header.ts';
import { readBytes, readInto } from './safetensors.ts';

/** A tensor of a file, with its shape in the order of the file reversed: outermost axis first. */
export interface GgufTensorEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: GgufType;
  /** The first byte, from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
}

export type GgufReadValue = number | bigint | boolean | string | readonly GgufReadValue[];

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufReadValue>;
  readonly tensors: ReadonlyMap<string, GgufTensorEntry>;
  /** Size of the file. */
  readonly bytes: number;
}

/** The largest header that is read: a vocabulary of a million tokens has less. */
const maxHeaderBytes = 1 << 28;
/** The limits of ggml (`GGML_MAX_DIMS`, `GGML_MAX_NAME`). */
const maxDimensions = 4;
const maxNameBytes = 63;

/** Thrown where the bytes end too early; then more of the file is read. */
class NeedMoreBytes extends Error {}

const valueNames = new Map(Object.entries(ggufValueTypes).map(([name, type]) => [type as number, name]));
const typeNames = new Map(
  Object.entries(ggufTypes).map(([name, { ggml }]) => [ggml as number, name as GgufType]),
);

/** Reads little-endian values from the first bytes of a file. */
interface ByteReader {
  readonly offset: number;
  uint32(): number;
  /** A length or an offset. */
  size(): number;
  text(): string;
  value(type: number): GgufReadValue;
}

function createByteReader(bytes: Buffer, refuseFile: (why: string) => never): ByteReader {
  let offset = 0;
  const take = (count: number): number => {
    const at = offset;
    if (at + count > bytes.length) throw new NeedMoreBytes();
    offset += count;
    return at;
  };
  const uint32 = (): number => {
    const at = take(4);
    return bytes.readUInt32LE(at);
  };
  const size = (): number => {
    const at = take(8);
    const value = bytes.readBigUInt64LE(at);
    return value <= BigInt(Number.MAX_SAFE_INTEGER)
      ? Number(value)
      : refuseFile(`it has a length of ${value} at byte ${at}`);
  };
  const text = (): string => {
    const length = size();
    if (length > maxHeaderBytes) refuseFile(`it has a text of ${length} bytes`);
    const at = take(length);
    return bytes.toString('utf8', at, at + length);
  };
  const scalars: Readonly<Record<string, () => GgufReadValue>> = {
    uint8: () => bytes.readUInt8(take(1)),
    int8: () => bytes.readInt8(take(1)),
    uint16: () => bytes.readUInt16LE(take(2)),
    int16: () => bytes.readInt16LE(take(2)),
    uint32,
    int32: () => bytes.readInt32LE(take(4)),
    float32: () => bytes.readFloatLE(take(4)),
    bool: () => bytes.readUInt8(take(1)) !== 0,
    string: text,
    uint64: () => bytes.readBigUInt64LE(take(8)),
    int64: () => bytes.readBigInt64LE(take(8)),
    float64: () => bytes.readDoubleLE(take(8)),
  };
  const scalar = (type: number): (() => GgufReadValue) =>
    scalars[valueNames.get(type) ?? ''] ?? refuseFile(`it has a value of the unknown type ${type}`);
  return {
    get offset() {
      return offset;
    },
    uint32,
    size,
    text,
    value(type) {
      if (type !== ggufValueTypes.array) return scalar(type)();
      const read = scalar(uint32());
      const length = size();
      // Every value has a byte at least.
      if (length > maxHeaderBytes) refuseFile(`it has a list of ${length} values`);
      const values: GgufReadValue[] = [];
      for (let i = 0; i < length; i++) values.push(read());
      return values;
    },
  };
}

/** Reads the header of the file at `path`. Refuses `gguf/bad-file`. */
export async function readGgufHeader(path: string): Promise<GgufHeader> {
  const refuseFile = (why: string): never => refuse('gguf/bad-file', { path, why });
  const { file, bytes: fileBytes } = await openRegularFile(path);
  try {
    for (let length = Math.min(fileBytes, 1 << 20); ; length = Math.min(fileBytes, 2 * length)) {
      const bytes = Buffer.alloc(length);
      await readInto(file, path, 0, bytes);
      try {
        return parseHeader(bytes, fileBytes, refuseFile);
      } catch (error) {
        if (!(error instanceof NeedMoreBytes)) throw error;
        if (length === fileBytes) return refuseFile('it ends within its header');
        if (length >= maxHeaderBytes) return refuseFile(`its header is larger than ${maxHeaderBytes} bytes`);
      }
    }
  } finally {
    await file.close();
  }
}

function parseHeader(bytes: Buffer, fileBytes: number, refuseFile: (why: string) => never): GgufHeader {
  if (bytes.toString('latin1', 0, 4) !== ggufMagic) return refuseFile(`it does not begin with ${ggufMagic}`);
  const reader = createByteReader(bytes, refuseFile);
  reader.uint32();
  const version = reader.uint32();
  if (version !== ggufVersion) return refuseFile(`it has version ${version}, not ${ggufVersion}`);
  const tensorCount = reader.size();
  const entryCount = reader.size();
  if (tensorCount + entryCount > fileBytes) return refuseFile('it lists more entries than it has bytes');
  const metadata = new Map<string, GgufReadValue>();
  for (let i = 0; i < entryCount; i++) {
    const key = reader.text();
    if (metadata.has(key)) return refuseFile(`it has ${key} twice`);
    metadata.set(key, reader.value(reader.uint32()));
  }
  const alignment = metadata.get('general.alignment') ?? ggufAlignment;
  if (alignment !== ggufAlignment) return refuseFile(`its alignment is ${String(alignment)}`);
  const listed: Omit<GgufTensorEntry, 'bytes'>[] = [];
  for (let i = 0; i < tensorCount; i++) listed.push(readTensorEntry(reader, refuseFile));
  const start = alignGguf(reader.offset);
  return { metadata, tensors: placeTensors(listed, start, fileBytes, refuseFile), bytes: fileBytes };
}

function readTensorEntry(
  reader: ByteReader,
  refuseFile: (why: string) => never,
): Omit<GgufTensorEntry, 'bytes'> {
  const name = reader.text();
  if (Buffer.byteLength(name) > maxNameBytes)
    return refuseFile(`"${name}" has more than ${maxNameBytes} bytes`);
  const dimensions = reader.uint32();
  if (dimensions < 1 || dimensions > maxDimensions)
    return refuseFile(`"${name}" has ${dimensions} dimensions`);
  const sizes: number[] = [];
  for (let i = 0; i < dimensions; i++) sizes.push(reader.size());
  const shape = sizes.reverse();
  const typeNumber = reader.uint32();
  const type = typeNames.get(typeNumber);
  if (type === undefined)
    return refuseFile(`"${name}" has the type ${typeNumber}, which Cambium does not write`);
  if (shape.some((size) => size === 0) || shape.at(-1)! % ggufTypes[type].values !== 0)
    return refuseFile(`"${name}" is [${shape.join(', ')}] of ${type}, which does not fill whole blocks`);
  return { name, shape, type, offset: reader.size() };
}

/** Checks that the tensors fill the file behind `start` in order, each aligned, without gaps or overlaps. */
function placeTensors(
  listed: readonly Omit<GgufTensorEntry, 'bytes'>[],
  start: number,
  fileBytes: number,
  refuseFile: (why: string) => never,
): ReadonlyMap<string, GgufTensorEntry> {
  const tensors = new Map<string, GgufTensorEntry>();
  let end = start;
  for (const entry of listed) {
    const { name, shape, type } = entry;
    if (tensors.has(name)) return refuseFile(`it has the tensor "${name}" twice`);
    const bytes = countGgufBytes(type, countElements(shape));
    const offset = start + entry.offset;
    if (offset !== end) return refuseFile(`"${name}" starts at byte ${offset}, not at ${end}`);
    if (!Number.isSafeInteger(offset + bytes)) return refuseFile(`"${name}" is too large`);
    tensors.set(name, { ...entry, offset, bytes });
    end = offset + alignGguf(bytes);
  }
  if (end !== fileBytes) return refuseFile(`it has ${fileBytes} bytes, and its tensors end at ${end}`);
  return tensors;
}

/** Reads `count` values of a tensor, from its value `first` on, which begins a block. */
export async function readGgufValues(
  path: string,
  { type, offset }: GgufTensorEntry,
  first: number,
  count: number,
): Promise<Float32Array> {
  const bytes = new Uint8Array(countGgufBytes(type, count));
  await readBytes(path, offset + countGgufBytes(type, first), bytes);
  return decodeGguf(bytes, type);
}

const decoders: Readonly<Record<GgufType, (bytes: Uint8Array) => Float32Array>> = {
  f32: (bytes) => upcast(bytes, 'float32'),
  f16: (bytes) => upcast(bytes, 'float16'),
  bf16: (bytes) => upcast(bytes, 'bfloat16'),
  q8_0: dequantizeQ80,
};

/** The float32 values of stored bytes. */
export const decodeGguf = (bytes: Uint8Array, type: GgufType): Float32Array => decoders[type](bytes);
