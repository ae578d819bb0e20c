/** @file Values that are no numbers, and those that a narrower element type cannot hold. */
import { refuse } from '../base/errors.ts';
import type { WeightDType } from './dtype.ts';

/** Refuses `checkpoint/overflow` when finite values are infinite as `dtype`. `bytes` are little-endian. */
export function checkRange(bytes: Uint8Array, dtype: WeightDType, name: string): void {
  if (dtype === 'float32') return;
  const top = dtype === 'float16' ? 0x7c00 : 0x7f80;
  const bits = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  let count = 0;
  for (let i = 0; i < bits.length; i++) if ((bits[i]! & top) === top) count++;
  if (count > 0) refuse('checkpoint/overflow', { name, dtype, count });
}

/** Whether no value is an infinity or a NaN. */
export function allFinite(values: Float32Array): boolean {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  let found = 0;
  // the sign appears where all bits of the exponent are set
  for (let i = 0; i < bits.length; i++) found |= (bits[i]! & 0x7f800000) + 0x00800000;
  return found >= 0;
}
