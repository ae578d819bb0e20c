/** @file What each execution provider of ONNX Runtime 1.30 can run, of the operators used here. */
import type { DType } from '../tensor/dtype.ts';

export type Provider = 'cpu' | 'cuda' | 'webgpu';

export interface Capabilities {
  /**
   * ONNX operators to avoid, because their kernel is missing (ONNX Runtime would run them on another device,
   * with copies both ways) or wrong. `Slice(int32)`: only for that element type of the first input.
   */
  readonly missingKernels: ReadonlySet<string>;
  /** ONNX operators that compute in float32 inside, also where they read and write low precision. */
  readonly float32Inside: ReadonlySet<string>;
  /** Floating-point types that kernels compute in. Other types can only be stored and cast. */
  readonly computeTypes: ReadonlySet<DType>;
}

export const providers: Readonly<Record<Provider, Capabilities>> = {
  cpu: {
    // ScatterND loses updates if two threads add to the same row. LayerNormalization takes the variance as a
    // difference of squares, which cancels where the mean is large.
    missingKernels: new Set(['LayerNormalization', 'ScatterND']),
    float32Inside: new Set(),
    computeTypes: new Set(['float32', 'float64']),
  },
  cuda: {
    // tests/gpu/standin proves that every node is placed; tests/gpu/ops.gpu.test.ts checks values on a GPU.
    // Sigmoid and QuickGelu in low precision compute 1 - 1 / (1 + exp(x)) in that precision for x < 0: few
    // digits are left at -4, none at -6. The others have no kernel for the type.
    missingKernels: new Set([
      'QuickGelu(bfloat16)',
      'QuickGelu(float16)',
      'Sigmoid(bfloat16)',
      'Sigmoid(float16)',
      ...['Clip', 'Equal', 'Greater', 'Less', 'Log', 'LogSoftmax', 'Pad', 'Reciprocal', 'ReduceMax'].map(
        (kernel) => `${kernel}(bfloat16)`,
      ),
    ]),
    float32Inside: new Set([
      'LayerNormalization',
      'ReduceMean',
      'ReduceSum',
      'SimplifiedLayerNormalization',
      'Softmax',
    ]),
    computeTypes: new Set(['float32', 'float16', 'bfloat16', 'float64']),
  },
  webgpu: {
    // SimplifiedLayerNormalization has no second output. Split binds one buffer for each part, and a device
    // may have as few as eight. QuickGelu in float16 loses digits as on CUDA.
    missingKernels: new Set([
      'FusedMatMul',
      'LayerNormalization',
      'LogSoftmax',
      'OneHot',
      'Or',
      'QuickGelu(float16)',
      'RotaryEmbedding',
      'SimplifiedLayerNormalization',
      'Slice(int32)',
      'Split(float32)',
      'Split(float16)',
    ]),
    float32Inside: new Set(),
    computeTypes: new Set(['float32', 'float16']),
  },
};

/** Whether the provider lacks `kernel` for a first input of type `dtype`. */
export const lacksKernel = (provider: Provider, kernel: string, dtype: DType | undefined): boolean => {
  const { missingKernels } = providers[provider];
  return missingKernels.has(kernel) || missingKernels.has(`${kernel}(${dtype})`);
};
