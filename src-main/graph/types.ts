/** @file Properties of element types. */
import type { DType } from '../tensor/dtype.ts';

interface Typed {
  readonly dtype: DType;
}

/** The largest finite number of each floating-point type. */
export const largestFinite = {
  float16: 65504,
  bfloat16: 3.3895313892515355e38,
  float32: 3.4028234663852886e38,
  float64: Number.MAX_VALUE,
} as const;

export const isFloat = ({ dtype }: Typed): boolean => dtype in largestFinite;

/** Whether the type may index an axis. */
export const isIndexType = ({ dtype }: Typed): boolean => dtype === 'int32' || dtype === 'int64';
