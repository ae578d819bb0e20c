/** @file The contents of trials, and how close a kernel's outputs must be to the reference. */
import { deriveKey, integerAt, normalAt, uniformAt } from '../../base/random.ts';
import { countElements } from '../../tensor/layout.ts';
import { byteLengthOf, downcast, upcast, type DType, type WeightDType } from '../../tensor/dtype.ts';
import type { Trial, TrialInput } from './kernel.ts';

/** Little-endian elements of the input at a position of a trial. Equal on every machine. */
export function trialBytes(input: TrialInput, trial: Trial, position: number): Uint8Array {
  const { dtype, shape, range: [low, high] = [], scale = 1 } = input;
  const key = deriveKey(1, trial.title, position);
  const count = countElements(shape);
  if (dtype === 'int32' || dtype === 'int64') {
    const draw = (i: number): number => (low ?? 0) + integerAt(key, i, (high ?? 1) - (low ?? 0) + 1);
    const values =
      dtype === 'int32'
        ? Int32Array.from({ length: count }, (_, i) => draw(i))
        : BigInt64Array.from({ length: count }, (_, i) => BigInt(draw(i)));
    return new Uint8Array(values.buffer);
  }
  const values = Float32Array.from({ length: count }, (_, i) =>
    low !== undefined && high !== undefined
      ? low + (high - low) * uniformAt(key, i)
      : scale * normalAt(key, i),
  );
  return dtype === 'float32' ? new Uint8Array(values.buffer) : downcast(values, dtype as WeightDType);
}

/** Elements from their little-endian bytes. */
export function numbersOf(bytes: Uint8Array, dtype: DType): Float64Array {
  const copy = bytes.slice();
  if (dtype === 'int32') return Float64Array.from(new Int32Array(copy.buffer));
  if (dtype === 'int64') return Float64Array.from(new BigInt64Array(copy.buffer), Number);
  return Float64Array.from(upcast(copy, dtype as WeightDType));
}

/** Bytes of an output. */
export const outputBytes = ({ dtype, shape }: Pick<TrialInput, 'dtype' | 'shape'>): number =>
  byteLengthOf(dtype, countElements(shape));

/**
 * The largest error, relative to an element and to the root mean square of all. An output in float32 is not rounded.
 * One in low precision is, and so are the terms of attention's sums: a correct kernel reaches a third of this. A
 * wrong mask, factor or order of threads gives errors of the size of the outputs.
 */
export const tolerances: Readonly<Partial<Record<DType, number>>> = {
  float32: 3e-5,
  float16: 2 ** -8,
  bfloat16: 2 ** -5,
};

/** How far `actual` is from `expected` in units of the tolerance: up to 1 they agree. NaN never agrees. */
export function distanceOf(actual: Float64Array, expected: Float64Array, dtype: DType): number {
  const rms = Math.sqrt(expected.reduce((sum, x) => sum + x * x, 0) / Math.max(1, expected.length));
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!);
    const ratio = error === 0 ? 0 : error / (tolerances[dtype]! * (Math.abs(expected[i]!) + rms));
    if (!(ratio <= worst)) worst = Number.isNaN(ratio) ? Infinity : ratio;
  }
  return worst;
}
