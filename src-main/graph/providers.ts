/**
 * @file What each of ONNX Runtime's providers can run of what the op table writes (read off ONNX Runtime
 * 1.30).
 */
import type { DType } from '../tensor/dtype.ts';

export type Provider = 'cpu' | 'cuda' | 'webgpu';

/** ONNX operators without a kernel (they would run on another device, with copies both ways), or with one that is wrong:
 *  the CPU's ScatterND loses updates where two threads add into the same row. `Slice(int32)`: none for that
 * element type of its first input.
 *  CUDA's fused RMS norm was not tried with its second output; WebGPU's has none.
 *  WebGPU's Split binds a buffer for each part, of which a device has as few as eight; slices do the same. */
export const lacks: Readonly<Record<Provider, ReadonlySet<string>>> = {
  cpu: new Set(['ScatterND']),
  cuda: new Set(['SimplifiedLayerNormalization']),
  webgpu: new Set([
    'FusedMatMul',
    'LogSoftmax',
    'OneHot',
    'Or',
    'RotaryEmbedding',
    'SimplifiedLayerNormalization',
    'Slice(int32)',
    'Split(float32)',
    'Split(float16)',
  ]),
};

/** Element types of floating point that its kernels compute in; the rest may only be stored and cast. */
export const computes: Readonly<Record<Provider, ReadonlySet<DType>>> = {
  cpu: new Set(['float32', 'float64']),
  cuda: new Set(['float32', 'float16', 'bfloat16', 'float64']),
  webgpu: new Set(['float32', 'float16']),
};
