/** @file The cross entropy and its gradient. One block computes a row, and reads its logits once. */
import { byteLengthOf, type DType } from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';
import { typeCodes } from './elements.ts';
import {
  threadsFor,
  vectorOf,
  warp,
  type Kernel,
  type KernelNode,
  type Trial,
  type TrialInput,
} from './kernel.ts';

const targetSource = String.raw`
#if WIDE_TARGETS
typedef long long target_type;
#else
typedef int target_type;
#endif
`;

const forwardSource = String.raw`${targetSource}
KERNEL void ENTRY(const element *logits, const target_type *targets, float *losses, float *log_sums) {
  SHARED_MEMORY(memory);
  float *scratch = (float *)memory;
  const element *row = logits + (u64)blockIdx.x * WIDTH;
  float largest = -3.4e38f, total = 0;
  for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR) {
    const vector x = read(row + i);
    float highest = largest;
    for (int j = 0; j < VECTOR; j++) highest = fmaxf(highest, value_of(x.at[j]));
    total *= expf(largest - highest);
    largest = highest;
    for (int j = 0; j < VECTOR; j++) total += expf(value_of(x.at[j]) - largest);
  }
  const float highest = block_max(largest, scratch);
  const float sum = block_sum(total * expf(largest - highest), scratch);
  if (threadIdx.x > 0) return;
  const float log_sum = highest + logf(sum);
  log_sums[blockIdx.x] = log_sum;
  losses[blockIdx.x] = log_sum - value_of(row[targets[blockIdx.x]]);
}
`;

const backwardSource = String.raw`${targetSource}
KERNEL void ENTRY(const element *logits, const target_type *targets, const float *log_sums, const float *g,
                  element *gradient) {
  const u64 row = (u64)blockIdx.x * WIDTH;
  const float log_sum = log_sums[blockIdx.x], scale = g[blockIdx.x];
  const int target = (int)targets[blockIdx.x];
  for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR) {
    vector x = read(logits + row + i);
    for (int j = 0; j < VECTOR; j++) {
      const float p = expf(value_of(x.at[j]) - log_sum);
      x.at[j] = element_of((p - (i + j == target ? 1.0f : 0.0f)) * scale);
    }
    write(gradient + row + i, x);
  }
}
`;

function launch({ inputs: [logits, targets] }: KernelNode) {
  const { dtype, shape } = logits!;
  const width = shape.at(-1)!;
  const vector = vectorOf(byteLengthOf(dtype, 1), width);
  const threads = threadsFor(width, vector, 512);
  return {
    defines: {
      TYPE: typeCodes[dtype]!,
      WIDTH: width,
      VECTOR: vector,
      THREADS: threads,
      WIDE_TARGETS: Number(targets!.dtype === 'int64'),
    },
    grid: [countElements(targets!.shape), 1, 1] as const,
    threads,
    sharedBytes: (4 * threads) / warp,
    scalars: [],
  };
}

const shapes: readonly (readonly [rows: number, vocab: number, scale: number])[] = [
  [3, 1023, 3],
  [1, 4096, 30],
  [5, 211, 0.01],
];

const trialsOf =
  (isGradient: boolean) =>
  (type: DType): readonly Trial[] =>
    shapes.map(([rows, vocab, scale], i) => {
      const logits: TrialInput = { dtype: type, shape: [rows, vocab], scale };
      const targets: TrialInput = {
        dtype: i === 0 ? 'int64' : 'int32',
        shape: [rows],
        range: [0, vocab - 1],
      };
      const range = [Math.log(vocab) + scale ** 2 / 2, Math.log(vocab) + scale ** 2 / 2 + 1] as const;
      const logSums: TrialInput = { dtype: 'float32', shape: [rows], range };
      const g: TrialInput = { dtype: 'float32', shape: [rows], range: [0.1, 1] };
      const inputs = isGradient ? [logits, targets, logSums, g] : [logits, targets];
      return { title: `${rows} × ${vocab} of size ${scale}`, inputs, attrs: {} };
    });

const shared = { fastMath: false, types: ['float32', 'bfloat16', 'float16'], launch } as const;

export const lossKernels: readonly Kernel[] = [
  { op: 'FusedCrossEntropy', source: forwardSource, ...shared, trials: trialsOf(false) },
  { op: 'CrossEntropyGradient', source: backwardSource, ...shared, trials: trialsOf(true) },
];
