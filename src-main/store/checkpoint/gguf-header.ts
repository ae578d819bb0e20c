/**
 * @file Encodes the first part of a GGUF file, version 3: metadata and the list of tensors. Format:
 * https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
 */
import { ggufAlignment, ggufTypes, type GgufEntries, type GgufValue } from '../../model/gguf/values.ts';
import { countTensorBytes, type GgufTensor } from '../../model/gguf/tensors.ts';

export const ggufMagic = 'GGUF';
export const ggufVersion = 3;

/** `enum gguf_type` of gguf.h. */
export const ggufValueTypes = {
  uint8: 0,
  int8: 1,
  uint16: 2,
  int16: 3,
  uint32: 4,
  int32: 5,
  float32: 6,
  bool: 7,
  string: 8,
  array: 9,
  uint64: 10,
  int64: 11,
  float64: 12,
} as const;

export const alignGguf = (bytes: number): number => Math.ceil(bytes / ggufAlignment) * ggufAlignment;

/** Collects little-endian values. */
interface ByteWriter {
  uint32(value: number): void;
  uint64(value: number): void;
  text(value: string): void;
  values(value: Exclude<GgufValue, { readonly type: 'array' }>): void;
  numbers(of: 'int32' | 'float32', values: readonly number[]): void;
  finish(): Buffer;
}

function createByteWriter(): ByteWriter {
  let bytes = Buffer.allocUnsafe(1 << 16);
  let length = 0;
  const reserve = (count: number): number => {
    const at = length;
    length += count;
    if (length > bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * bytes.length, length));
      bytes.copy(larger);
      bytes = larger;
    }
    return at;
  };
  const uint32 = (value: number): void => {
    const at = reserve(4);
    bytes.writeUInt32LE(value, at);
  };
  const uint64 = (value: number): void => {
    const at = reserve(8);
    bytes.writeBigUInt64LE(BigInt(value), at);
  };
  const int32 = (value: number): void => {
    const at = reserve(4);
    bytes.writeInt32LE(value, at);
  };
  const float32 = (value: number): void => {
    const at = reserve(4);
    bytes.writeFloatLE(value, at);
  };
  const text = (value: string): void => {
    const count = Buffer.byteLength(value);
    uint64(count);
    const at = reserve(count);
    bytes.write(value, at);
  };
  return {
    uint32,
    uint64,
    text,
    values(entry) {
      switch (entry.type) {
        case 'uint32':
          uint32(entry.value);
          break;
        case 'int32':
          int32(entry.value);
          break;
        case 'float32':
          float32(entry.value);
          break;
        case 'bool': {
          const at = reserve(1);
          bytes[at] = entry.value ? 1 : 0;
          break;
        }
        case 'string':
          text(entry.value);
      }
    },
    numbers(of, values) {
      for (const value of values) (of === 'int32' ? int32 : float32)(value);
    },
    finish() {
      const padded = alignGguf(length);
      const at = reserve(padded - length);
      bytes.fill(0, at, padded);
      return bytes.subarray(0, padded);
    },
  };
}

function writeValue(out: ByteWriter, value: GgufValue): void {
  out.uint32(ggufValueTypes[value.type]);
  if (value.type !== 'array') {
    out.values(value);
    return;
  }
  out.uint32(ggufValueTypes[value.of]);
  out.uint64(value.values.length);
  if (value.of === 'string') for (const text of value.values) out.text(text);
  else out.numbers(value.of, value.values);
}

export interface EncodedGguf {
  /** Everything before the first tensor, padded. */
  readonly header: Uint8Array;
  /** Where each tensor starts, from the start of the file. */
  readonly offsets: readonly number[];
  /** Size of the file. Each tensor is padded to the alignment. */
  readonly bytes: number;
}

/** Encodes the header of a file with these tensors, in this order. */
export function encodeGguf(entries: GgufEntries, tensors: readonly GgufTensor[]): EncodedGguf {
  const out = createByteWriter();
  out.uint32(Buffer.from(ggufMagic).readUInt32LE());
  out.uint32(ggufVersion);
  out.uint64(tensors.length);
  out.uint64(entries.length);
  for (const [key, value] of entries) {
    out.text(key);
    writeValue(out, value);
  }
  const starts: number[] = [];
  let dataBytes = 0;
  for (const tensor of tensors) {
    const { name, shape, type } = tensor;
    out.text(name);
    out.uint32(shape.length);
    for (const size of [...shape].reverse()) out.uint64(size);
    out.uint32(ggufTypes[type].ggml);
    out.uint64(dataBytes);
    starts.push(dataBytes);
    dataBytes += alignGguf(countTensorBytes(tensor));
  }
  const header = out.finish();
  return {
    header,
    offsets: starts.map((start) => header.length + start),
    bytes: header.length + dataBytes,
  };
}
