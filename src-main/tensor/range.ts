/** @file Values that a narrower element type cannot hold. */
import { refuse } from '../base/errors.ts';
import type { WeightDType } from './dtype.ts';

/** Refuses `checkpoint/overflow` when finite values are infinite as `dtype`. `bytes` are little-endian. */
export function checkRange(bytes: Uint8Array, dtype: WeightDType, name: string): void {
  if (dtype === 'float32') return;
  const top = dtype === 'float16' ? 0x7c00 : 0x7f80, bits = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  let count = 0;
  for (let i = 0; i < bits.length; i++) if ((bits[i]! & top) === top) count++;
  if (count > 0) refuse('checkpoint/overflow', { name, dtype, count });
}
