/** @file RMS norm with the addition before it, and its gradients. One block computes a row. */
import type { KernelOpName } from '../../graph/ops/kernels/index.ts';
import { byteLengthOf, type DType } from '../../tensor/dtype.ts';
import { countElements } from '../../tensor/layout.ts';
import { typeCodes } from './elements.ts';
import {
  threadsFor,
  vectorOf,
  warp,
  type Kernel,
  type KernelNode,
  type Launch,
  type Trial,
  type TrialInput,
} from './kernel.ts';

/**
 * READ_FIRST reads a vector of x for the first time; with RESIDUAL it adds the residual and writes the sum. SUMMED_ROWS
 * are those rows afterwards: each thread reads what it has written.
 */
export const rowsSource = String.raw`
#if RESIDUAL
DEVICE vector read_sum(const element *x, const element *residual, element *total, u64 at) {
  vector sum = read(x + at);
  const vector other = read(residual + at);
  for (int j = 0; j < VECTOR; j++) sum.at[j] = element_of(value_of(sum.at[j]) + value_of(other.at[j]));
  write(total + at, sum);
  return sum;
}
#define READ_FIRST(at) read_sum(x, residual, total, at)
#define SUMMED_ROWS total
#else
#define READ_FIRST(at) read(x + at)
#define SUMMED_ROWS x
#endif
`;

const forwardSource = String.raw`
${rowsSource}
KERNEL void ENTRY(const element *x,
#if RESIDUAL
                  const element *residual,
#endif
                  const element *gain,
#if RESIDUAL
                  element *total,
#endif
                  element *y, float *factors, float eps) {
  SHARED_MEMORY(memory);
  const u64 row = (u64)blockIdx.x * WIDTH;
  float squares = 0;
  for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR) {
    const vector a = READ_FIRST(row + i);
    for (int j = 0; j < VECTOR; j++) squares += value_of(a.at[j]) * value_of(a.at[j]);
  }
  const float factor = 1 / sqrtf(block_sum(squares, (float *)memory) / WIDTH + eps);
  if (threadIdx.x == 0) factors[blockIdx.x] = factor;
  for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR) {
    vector a = read(SUMMED_ROWS + row + i);
    const vector scale = read(gain + i);
    for (int j = 0; j < VECTOR; j++) a.at[j] = element_of(value_of(a.at[j]) * factor * value_of(scale.at[j]));
    write(y + row + i, a);
  }
}
`;

const backwardSource = String.raw`
KERNEL void ENTRY(const element *g, const element *x, const element *gain, const float *factors,
#if OTHER
                  const element *other,
#endif
                  element *dx, float *partial, int rows) {
  SHARED_MEMORY(memory);
  float *scratch = (float *)memory;
  float *gain_gradient = scratch + THREADS / 32; /* each thread has its own columns */
  for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR)
    for (int j = 0; j < VECTOR; j++) gain_gradient[i + j] = 0;
  for (int r = blockIdx.x; r < rows; r += gridDim.x) {
    const u64 row = (u64)r * WIDTH;
    const float factor = factors[r];
    float product = 0;
    for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR) {
      const vector gs = read(g + row + i), xs = read(x + row + i), scale = read(gain + i);
      for (int j = 0; j < VECTOR; j++) {
        const float term = value_of(gs.at[j]) * value_of(xs.at[j]) * factor;
        gain_gradient[i + j] += term;
        product += term * value_of(scale.at[j]);
      }
    }
    const float projection = block_sum(product, scratch) / WIDTH;
    for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR) {
      const vector gs = read(g + row + i), xs = read(x + row + i), scale = read(gain + i);
#if OTHER
      const vector more = read(other + row + i);
#endif
      vector out;
      for (int j = 0; j < VECTOR; j++) {
        float d = factor * (value_of(gs.at[j]) * value_of(scale.at[j]) - value_of(xs.at[j]) * factor * projection);
#if OTHER
        d += value_of(more.at[j]);
#endif
        out.at[j] = element_of(d);
      }
      write(dx + row + i, out);
    }
  }
  for (int i = threadIdx.x * VECTOR; i < WIDTH; i += THREADS * VECTOR)
    for (int j = 0; j < VECTOR; j++) partial[(u64)blockIdx.x * WIDTH + i + j] = gain_gradient[i + j];
}
`;

export const normTypes: readonly DType[] = ['float32', 'bfloat16', 'float16'];

/** The constants of rows of `width` elements of the type of `x`. */
function rowDefines({ dtype, shape }: TrialInput): Record<'TYPE' | 'WIDTH' | 'VECTOR' | 'THREADS', number> {
  const width = shape.at(-1)!;
  const vector = vectorOf(byteLengthOf(dtype, 1), width);
  return { TYPE: typeCodes[dtype]!, WIDTH: width, VECTOR: vector, THREADS: threadsFor(width, vector) };
}

export const rowsOf = ({ shape }: TrialInput): number => countElements(shape.slice(0, -1));

/** The launch of a norm: a block for each row, and `more` constants. */
export function launchNorm({ inputs, attrs }: KernelNode, more: Launch['defines']): Launch {
  const defines = rowDefines(inputs[0]!);
  return {
    defines: { ...defines, ...more },
    grid: [rowsOf(inputs[0]!), 1, 1],
    threads: defines.THREADS,
    sharedBytes: (4 * defines.THREADS) / warp,
    scalars: [{ float: attrs['eps'] as number }],
  };
}

/** The launch of a norm's gradients: each block sums those of `weights` weights over its rows. */
export function launchNormGradient(
  { inputs, attrs }: KernelNode,
  weights: number,
  more: Launch['defines'],
): Launch {
  const defines = rowDefines(inputs[1]!);
  return {
    defines: { ...defines, ...more },
    grid: [attrs['blocks'] as number, 1, 1],
    threads: defines.THREADS,
    sharedBytes: 4 * (defines.THREADS / warp + weights * defines.WIDTH),
    scalars: [{ int: rowsOf(inputs[1]!) }],
  };
}

/** Shapes that divide evenly, a width that is prime, a single row, and heads. */
const shapes: readonly (readonly number[])[] = [
  [3, 768],
  [2, 5, 131],
  [1, 1024],
  [37, 64],
];
const scales = [1, 1e-4, 300];

/** A trial of each of the shapes. */
export const normTrials = (
  inputs: (x: TrialInput, gain: TrialInput) => Omit<Trial, 'title'>,
  type: DType,
): readonly Trial[] =>
  shapes.flatMap((shape, i) => {
    const x: TrialInput = { dtype: type, shape, scale: scales[i % scales.length]! };
    const trial = inputs(x, { dtype: type, shape: shape.slice(-1), range: [0.5, 1.5] });
    return [{ title: `[${shape.join(', ')}] of size ${x.scale}`, ...trial }];
  });

const eps = 1e-5;
const forward = (op: KernelOpName, residual: boolean): Kernel => ({
  op,
  source: forwardSource,
  fastMath: false,
  types: normTypes,
  launch: (node) => launchNorm(node, { RESIDUAL: Number(residual) }),
  trials: (type) =>
    normTrials((x, gain) => ({ inputs: residual ? [x, x, gain] : [x, gain], attrs: { eps } }), type),
});

const backward: Kernel = {
  op: 'RmsNormGradient',
  source: backwardSource,
  fastMath: false,
  types: normTypes,
  launch: (node) => launchNormGradient(node, 1, { OTHER: Number(node.inputs.length > 4) }),
  trials: (type) =>
    normTrials((x, gain) => {
      const g: TrialInput = { dtype: type, shape: x.shape };
      const range = [0.5 / x.scale!, 1.5 / x.scale!] as const;
      const factor: TrialInput = { dtype: 'float32', shape: [...x.shape.slice(0, -1), 1], range };
      const others = rowsOf(x) % 2 === 0 ? [g] : [];
      return { inputs: [g, x, gain, factor, ...others], attrs: { blocks: Math.min(4, rowsOf(x)) } };
    }, type),
};

export const normKernels: readonly Kernel[] = [
  forward('FusedRmsNorm', false),
  forward('AddRmsNorm', true),
  backward,
];
