/** @file Element types of tensors: their names in safetensors and ONNX, their sizes, and conversions of float32. */

/** The supported element types. Weights are floating-point, tokens and indices are integers. */
export type DType = 'float32' | 'float16' | 'bfloat16' | 'float64' | 'int32' | 'int64' | 'bool';
export type WeightDType = 'float32' | 'float16' | 'bfloat16';

interface DTypeFacts {
  /** Bytes of one element. */
  readonly bytes: number;
  /** The name in a safetensors header. */
  readonly safetensors: string;
  /** The number in `TensorProto.DataType` of onnx.proto. */
  readonly onnx: number;
}

// Aligned columns are easier to compare.
// prettier-ignore
export const dtypes: Readonly<Record<DType, DTypeFacts>> = {
  float32:  { bytes: 4, safetensors: 'F32',  onnx: 1 },
  float16:  { bytes: 2, safetensors: 'F16',  onnx: 10 },
  bfloat16: { bytes: 2, safetensors: 'BF16', onnx: 16 },
  float64:  { bytes: 8, safetensors: 'F64',  onnx: 11 },
  int32:    { bytes: 4, safetensors: 'I32',  onnx: 6 },
  int64:    { bytes: 8, safetensors: 'I64',  onnx: 7 },
  bool:     { bytes: 1, safetensors: 'BOOL', onnx: 9 },
};

export const weightDTypes: readonly WeightDType[] = ['float32', 'float16', 'bfloat16'];
export const isWeightDType = (dtype: string): dtype is WeightDType =>
  (weightDTypes as readonly string[]).includes(dtype);
export const byteLengthOf = (dtype: DType, count: number): number => dtypes[dtype].bytes * count;
export const parseSafetensorsDType = (name: string): DType | undefined =>
  (Object.keys(dtypes) as DType[]).find((d) => dtypes[d].safetensors === name);

/**
 * Converts little-endian bytes of `dtype` to float32, exactly. `bytes` may start at any offset. Halves are written
 * into `into` if it is given; float32 is returned as a view where alignment allows it.
 */
export function upcast(bytes: Uint8Array, dtype: WeightDType, into?: Float32Array): Float32Array {
  const count = bytes.byteLength / dtypes[dtype].bytes;
  if (dtype === 'float32') {
    if (bytes.byteOffset % 4 === 0) return new Float32Array(bytes.buffer, bytes.byteOffset, count);
    return new Float32Array(bytes.slice().buffer);
  }
  const half =
    bytes.byteOffset % 2 === 0
      ? new Uint16Array(bytes.buffer, bytes.byteOffset, count)
      : new Uint16Array(bytes.slice().buffer);
  const out = into ?? new Float32Array(count);
  const bits = new Int32Array(out.buffer, out.byteOffset, count);
  if (dtype === 'bfloat16') for (let i = 0; i < count; i++) bits[i] = half[i]! << 16;
  else for (let i = 0; i < count; i++) bits[i] = float16ToFloat32(half[i]!);
  return out;
}

/**
 * Rounds float32 to `dtype` (to nearest, ties to even) as little-endian bytes. For float32 the bytes are a view of
 * `values`.
 */
export function downcast(values: Float32Array, dtype: WeightDType): Uint8Array {
  if (dtype === 'float32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const out = new Uint16Array(values.length);
  downcastInto(values, dtype, out);
  return new Uint8Array(out.buffer);
}

/** Like `downcast` to a half type, but writes into `out`, which has the same length. */
export function downcastInto(values: Float32Array, dtype: 'float16' | 'bfloat16', out: Uint16Array): void {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  if (dtype === 'bfloat16') for (let i = 0; i < bits.length; i++) out[i] = roundToBfloat16(bits[i]!);
  else for (let i = 0; i < bits.length; i++) out[i] = roundToFloat16(bits[i]!);
}

/** Bits of IEEE 754 binary16 to bits of binary32. */
function float16ToFloat32(h: number): number {
  const sign = (h & 0x8000) << 16;
  const exponent = (h >>> 10) & 0x1f;
  const fraction = h & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  const shift = Math.clz32(fraction) - 21; // a subnormal: move its first bit to the implicit position
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)) >>> 0;
}

/** Bits of binary32 to bits of bfloat16. */
function roundToBfloat16(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40; // a NaN stays a NaN
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) | 0) >>> 16;
}

/** Bits of binary32 to bits of IEEE 754 binary16. */
function roundToFloat16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and larger round to infinity
  if (magnitude >= 0x38800000)
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  if (magnitude <= 0x33000000) return sign; // at most half of the smallest subnormal
  const shift = 126 - (magnitude >>> 23);
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const kept = fraction >>> shift;
  const rest = fraction & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return sign | (kept + (rest > middle || (rest === middle && (kept & 1) === 1) ? 1 : 0));
}
