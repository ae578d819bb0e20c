/** @file What each of ONNX Runtime's providers can run of what the op table writes (read off ONNX Runtime 1.30). */
import type { DType } from '../tensor/dtype.ts';

export type Provider = 'cpu' | 'cuda' | 'webgpu';

/** ONNX operators without a kernel (they would run on another device, with copies both ways), or with one that is wrong:
 *  the CPU's ScatterND loses updates where two threads add into the same row. */
export const lacks: Readonly<Record<Provider, ReadonlySet<string>>> = {
  cpu:    new Set(['ScatterND']),
  cuda:   new Set(),
  webgpu: new Set(['FusedMatMul', 'LogSoftmax', 'OneHot', 'Or', 'RotaryEmbedding']),
};

/** Element types of floating point that its kernels compute in; the rest may only be stored and cast. */
export const computes: Readonly<Record<Provider, ReadonlySet<DType>>> = {
  cpu:    new Set(['float32', 'float64']),
  cuda:   new Set(['float32', 'float16', 'bfloat16', 'float64']),
  webgpu: new Set(['float32', 'float16']),
};
