/** @file What each execution provider of ONNX Runtime 1.30 can run, of the operators used here. */
import type { DType } from '../tensor/dtype.ts';

export type Provider = 'cpu' | 'cuda' | 'webgpu';

export interface Capabilities {
  /**
   * ONNX operators to avoid, because their kernel is missing (ONNX Runtime would run them on another device,
   * with copies both ways) or wrong. `Slice(int32)`: only for that element type of the first input.
   */
  readonly missingKernels: ReadonlySet<string>;
  /** Floating-point types that kernels compute in. Other types can only be stored and cast. */
  readonly computeTypes: ReadonlySet<DType>;
}

export const providers: Readonly<Record<Provider, Capabilities>> = {
  cpu: {
    // ScatterND loses updates if two threads add to the same row.
    missingKernels: new Set(['ScatterND']),
    computeTypes: new Set(['float32', 'float64']),
  },
  cuda: {
    // tests/gpu/standin proves that every node is placed; tests/gpu/ops.gpu.test.ts checks values on a GPU.
    missingKernels: new Set(),
    computeTypes: new Set(['float32', 'float16', 'bfloat16', 'float64']),
  },
  webgpu: {
    // SimplifiedLayerNormalization has no second output. Split binds one buffer for each part, and a device
    // may have as few as eight.
    missingKernels: new Set([
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
    computeTypes: new Set(['float32', 'float16']),
  },
};
