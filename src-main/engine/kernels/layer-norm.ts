/** @file Layer norm with its shift and the addition before it, and its gradients. One block computes a row. */
import type { KernelOpName } from '../../graph/ops/kernels/index.ts';
import type { Kernel, TrialInput } from './kernel.ts';
import { launchNorm, launchNormGradient, normTrials, normTypes, rowsOf, rowsSource } from './norm.ts';

const forwardSource = String.raw`
${rowsSource}
KERNEL void ENTRY(const element *x,
#if RESIDUAL
                  const element *residual,
#endif
                  const element *gain,
#if SHIFT
                  const element *shift,
#endif
#if RESIDUAL
                  element *total,
#endif
                  element *y, float *centers, float *factors, float eps) {
  SHARED_MEMORY(memory);
  float *scratch = (float *)memory;
  const u64 row = (u64)blockIdx.x * WIDTH;
  float sum = 0;
  for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR) {
    const vector a = READ_FIRST(row + i);
    for (int j = 0; j < VECTOR; j++) sum += value_of(a.at[j]);
  }
  const float center = block_sum(sum, scratch) / WIDTH;
  float squares = 0;
  for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR) {
    const vector a = read(SUMMED_ROWS + row + i);
    for (int j = 0; j < VECTOR; j++) squares += (value_of(a.at[j]) - center) * (value_of(a.at[j]) - center);
  }
  const float factor = 1 / sqrtf(block_sum(squares, scratch) / WIDTH + eps);
  if (threadIdx.x == 0) {
    centers[blockIdx.x] = center;
    factors[blockIdx.x] = factor;
  }
  for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR) {
    vector a = read(SUMMED_ROWS + row + i);
    const vector scale = read(gain + i);
#if SHIFT
    const vector added = read(shift + i);
#endif
    for (int j = 0; j < VECTOR; j++) {
      float value = (value_of(a.at[j]) - center) * factor * value_of(scale.at[j]);
#if SHIFT
      value += value_of(added.at[j]);
#endif
      a.at[j] = element_of(value);
    }
    write(y + row + i, a);
  }
}
`;

const backwardSource = String.raw`
KERNEL void ENTRY(const element *g, const element *x, const element *gain, const float *centers, const float *factors,
#if OTHER
                  const element *other,
#endif
                  element *dx, float *partial_gain,
#if SHIFT
                  float *partial_shift,
#endif
                  int rows) {
  SHARED_MEMORY(memory);
  float *scratch = (float *)memory;
  float *gain_gradient = scratch + THREADS / 32; /* each thread has its own columns */
  float *shift_gradient = gain_gradient + WIDTH;
  for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR)
    for (int j = 0; j < VECTOR; j++) {
      gain_gradient[i + j] = 0;
#if SHIFT
      shift_gradient[i + j] = 0;
#endif
    }
  for (int r = blockIdx.x; r < rows; r += gridDim.x) {
    const u64 row = (u64)r * WIDTH;
    const float center = centers[r], factor = factors[r];
    float sum = 0, product = 0;
    for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR) {
      const vector gs = read(g + row + i), xs = read(x + row + i), scale = read(gain + i);
      for (int j = 0; j < VECTOR; j++) {
        const float gradient = value_of(gs.at[j]), normalized = (value_of(xs.at[j]) - center) * factor;
        const float scaled = gradient * value_of(scale.at[j]);
        gain_gradient[i + j] += gradient * normalized;
#if SHIFT
        shift_gradient[i + j] += gradient;
#endif
        sum += scaled;
        product += scaled * normalized;
      }
    }
    const float average = block_sum(sum, scratch) / WIDTH;
    const float projection = block_sum(product, scratch) / WIDTH;
    for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR) {
      const vector gs = read(g + row + i), xs = read(x + row + i), scale = read(gain + i);
#if OTHER
      const vector more = read(other + row + i);
#endif
      vector out;
      for (int j = 0; j < VECTOR; j++) {
        const float normalized = (value_of(xs.at[j]) - center) * factor;
        float d = factor * (value_of(gs.at[j]) * value_of(scale.at[j]) - average - normalized * projection);
#if OTHER
        d += value_of(more.at[j]);
#endif
        out.at[j] = element_of(d);
      }
      write(dx + row + i, out);
    }
  }
  for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR)
    for (int j = 0; j < VECTOR; j++) {
      partial_gain[(u64)blockIdx.x * WIDTH + i + j] = gain_gradient[i + j];
#if SHIFT
      partial_shift[(u64)blockIdx.x * WIDTH + i + j] = shift_gradient[i + j];
#endif
    }
}
`;

const eps = 1e-5;
const isEven = (x: TrialInput): boolean => rowsOf(x) % 2 === 0;

const forward = (op: KernelOpName, residual: boolean): Kernel => ({
  op,
  source: forwardSource,
  fastMath: false,
  types: normTypes,
  launch(node) {
    const shift = node.inputs.length > (residual ? 3 : 2);
    return launchNorm(node, { RESIDUAL: Number(residual), SHIFT: Number(shift) });
  },
  trials: (type) =>
    normTrials((x, gain) => {
      const shifts = isEven(x) ? [] : [{ dtype: type, shape: gain.shape }];
      return { inputs: [...(residual ? [x, x] : [x]), gain, ...shifts], attrs: { eps } };
    }, type),
});

const backward: Kernel = {
  op: 'LayerNormGradient',
  source: backwardSource,
  fastMath: false,
  types: normTypes,
  launch(node) {
    const shift = Number(node.attrs['shift']);
    return launchNormGradient(node, 1 + shift, { OTHER: Number(node.inputs.length > 5), SHIFT: shift });
  },
  trials: (type) =>
    normTrials((x, gain) => {
      const g: TrialInput = { dtype: type, shape: x.shape };
      const perRow = { dtype: 'float32', shape: [...x.shape.slice(0, -1), 1] } as const;
      const center: TrialInput = { ...perRow, range: [-x.scale!, x.scale!] };
      const factor: TrialInput = { ...perRow, range: [0.5 / x.scale!, 1.5 / x.scale!] };
      const attrs = { blocks: Math.min(4, rowsOf(x)), shift: !isEven(x) };
      return { inputs: [g, x, gain, center, factor, ...(isEven(x) ? [g] : [])], attrs };
    }, type),
};

export const layerNormKernels: readonly Kernel[] = [
  forward('FusedLayerNorm', false),
  forward('AddLayerNorm', true),
  backward,
];
