/** @file Interpretations of kernels: they read and write low precision and compute in float32. */
import type { Value } from '../../graph.ts';
import { isFloat } from '../../types.ts';
import { cast } from '../logic.ts';

/** `x` in float32; float64 and integers stay as they are. */
export const exact = (x: Value): Value =>
  isFloat(x) && x.dtype !== 'float64' && x.dtype !== 'float32' ? cast(x, 'float32') : x;

/** `x` in the type of `like`. */
export const stored = (x: Value, like: Value): Value => (x.dtype === like.dtype ? x : cast(x, like.dtype));
