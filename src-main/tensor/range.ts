/** @file Checks for values that are not finite or that overflow an element type. */
import { refuse } from '../base/errors.ts';
import type { WeightDType } from './dtype.ts';

/** Throws `checkpoint/overflow` if any of the `dtype` values in `bytes` (little-endian) is infinite or NaN. */
export function checkOverflow(bytes: Uint8Array, dtype: WeightDType, name: string): void {
  if (dtype === 'float32') return;
  const exponentMask = dtype === 'float16' ? 0x7c00 : 0x7f80;
  const bits = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  let count = 0;
  for (let i = 0; i < bits.length; i++) if ((bits[i]! & exponentMask) === exponentMask) count++;
  if (count > 0) refuse('checkpoint/overflow', { name, dtype, count });
}

/** True if no value is infinite or NaN. */
export function areAllFinite(values: Float32Array): boolean {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  let signs = 0;
  // Adding one to the exponent overflows into the sign bit only if all of its bits are set.
  for (let i = 0; i < bits.length; i++) signs |= (bits[i]! & 0x7f800000) + 0x00800000;
  return signs >= 0;
}
