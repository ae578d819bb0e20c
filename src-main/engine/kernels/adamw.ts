/** @file AdamW. One block updates `adamwBlock` elements. */
import { adamwBlock } from '../../graph/ops/kernels/adamw.ts';
import { typeCodes } from './elements.ts';
import { vectorOf, warp, type Kernel, type TrialInput } from './kernel.ts';

const source = String.raw`
KERNEL void ENTRY(const element *weights, const element *avg, const element *sq, const element *gradient,
                  const float *on, const float *clip_scale, const float *decay1, const float *decay2,
                  const float *step_size, const float *epsilon, const float *weight_decay, element *next_weights,
                  element *next_avg, element *next_sq, float *sums, float rest1, float rest2, u64 count) {
  SHARED_MEMORY(memory);
  const float keep1 = *decay1, keep2 = *decay2, clip = *clip_scale, size = *step_size, eps = *epsilon;
  const float decay = 1 - *weight_decay;
  const bool is_on = *on > 0;
  float step_squares = 0, weight_squares = 0;
  for (int k = threadIdx.x * VECTOR; k < BLOCK; k += THREADS * VECTOR) {
    const u64 i = (u64)blockIdx.x * BLOCK + k;
    if (i >= count) break;
    vector w = read(weights + i), m = read(avg + i), v = read(sq + i);
    const vector gs = read(gradient + i);
    for (int j = 0; j < VECTOR; j++) {
      /* A gradient that is not finite counts as none in a step that is skipped: 0 times infinity is not 0. */
      const float g = is_on ? gs.at[j] * clip : 0.0f;
      m.at[j] = m.at[j] * keep1 + g * rest1;
      v.at[j] = v.at[j] * keep2 + g * g * rest2;
      const float step = m.at[j] * size / (sqrtf(v.at[j]) + eps);
      w.at[j] = w.at[j] * decay - step;
      step_squares += step * step;
      weight_squares += w.at[j] * w.at[j];
    }
    write(next_weights + i, w);
    write(next_avg + i, m);
    write(next_sq + i, v);
  }
  const float steps = block_sum(step_squares, (float *)memory);
  const float squares = block_sum(weight_squares, (float *)memory);
  if (threadIdx.x > 0) return;
  sums[2 * blockIdx.x] = steps;
  sums[2 * blockIdx.x + 1] = squares;
}
`;

const threads = 256;

const scalar = (value: number): TrialInput => ({ dtype: 'float32', shape: [], range: [value, value] });

export const adamwKernels: readonly Kernel[] = [
  {
    op: 'FusedAdamW',
    source,
    fastMath: false,
    types: ['float32'],
    launch({ inputs: [weights], attrs }) {
      const count = weights!.shape[0]!;
      const vector = vectorOf(4, count);
      return {
        defines: { TYPE: typeCodes.float32!, VECTOR: vector, THREADS: threads, BLOCK: adamwBlock },
        grid: [Math.max(1, Math.ceil(count / adamwBlock)), 1, 1],
        threads,
        sharedBytes: (4 * threads) / warp,
        scalars: [
          { float: 1 - (attrs['beta1'] as number) },
          { float: 1 - (attrs['beta2'] as number) },
          { long: count },
        ],
      };
    },
    trials: () =>
      [1023, 2 * adamwBlock, 1].flatMap((count) =>
        [1, 0].map((on) => {
          const tensor: TrialInput = { dtype: 'float32', shape: [count], scale: 0.1 };
          const squares: TrialInput = { dtype: 'float32', shape: [count], range: [0, 0.01] };
          const scalars = [on, 0.7 * on, on ? 0.9 : 1, on ? 0.95 : 1, 0.01 * on, 1e-8, 0.001 * on];
          return {
            title: `${count} elements, ${on ? 'a step' : 'a skipped step'}`,
            inputs: [tensor, tensor, squares, tensor, ...scalars.map(scalar)],
            attrs: { beta1: 0.9, beta2: 0.95 },
          };
        }),
      ),
  },
];
