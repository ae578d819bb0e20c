/**
 * @file The 8-bit blocks of ggml, Q8_0: 32 values as a float16 scale and 32 signed bytes. Rounds as
 * `quantize_row_q8_0_ref` of ggml (ggml/src/ggml-quants.c) does: in float32, halves away from zero.
 */
import { downcastInto, upcast } from './dtype.ts';

/** Values of a block. */
export const q80Values = 32;
/** Bytes of a block: the scale, then the values. */
export const q80Bytes = 34;

/** Quantizes float32 values, whose number is a multiple of 32, to little-endian blocks. */
export function quantizeQ80(values: Float32Array): Uint8Array {
  const blocks = values.length / q80Values;
  if (!Number.isInteger(blocks)) throw new RangeError(`${values.length} values do not fill blocks of 32`);
  const scales = new Float32Array(blocks);
  const inverses = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    let largest = 0;
    for (let i = block * q80Values; i < (block + 1) * q80Values; i++)
      largest = Math.max(largest, Math.abs(values[i]!));
    scales[block] = largest / 127;
    // The scale in float32, not in float16: ggml divides before it rounds.
    inverses[block] = scales[block] === 0 ? 0 : 1 / scales[block]!;
  }
  const halves = new Uint16Array(blocks);
  downcastInto(scales, 'float16', halves);
  const out = new Uint8Array(blocks * q80Bytes);
  for (let block = 0; block < blocks; block++) {
    const start = block * q80Bytes;
    out[start] = halves[block]! & 0xff;
    out[start + 1] = halves[block]! >>> 8;
    for (let i = 0; i < q80Values; i++) {
      const scaled = Math.fround(values[block * q80Values + i]! * inverses[block]!);
      out[start + 2 + i] = scaled < 0 ? -Math.floor(0.5 - scaled) : Math.floor(0.5 + scaled);
    }
  }
  return out;
}

/** The float32 values of blocks, exactly. */
export function dequantizeQ80(bytes: Uint8Array): Float32Array {
  const blocks = bytes.length / q80Bytes;
  if (!Number.isInteger(blocks)) throw new RangeError(`${bytes.length} bytes are not blocks of 34`);
  const halves = new Uint8Array(2 * blocks);
  for (let block = 0; block < blocks; block++)
    halves.set(bytes.subarray(block * q80Bytes, block * q80Bytes + 2), 2 * block);
  const scales = upcast(halves, 'float16');
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const out = new Float32Array(blocks * q80Values);
  for (let block = 0; block < blocks; block++)
    for (let i = 0; i < q80Values; i++)
      out[block * q80Values + i] = scales[block]! * signed[block * q80Bytes + 2 + i]!;
  return out;
}
