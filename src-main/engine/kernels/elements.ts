/** @file The element type of a kernel's activations, its vectors, and sums over a block. */
import type { DType } from '../../tensor/dtype.ts';

/** TYPE of each element type. */
export const typeCodes: Readonly<Partial<Record<DType, number>>> = { float32: 0, bfloat16: 1, float16: 2 };

/**
 * Needs TYPE. `element` is what memory holds; arithmetic is float32. With VECTOR, `vector` is as many elements as a
 * thread reads at once; with THREADS, blocks can be summed over.
 */
export const elementsSource = String.raw`
#if TYPE == 0
typedef float element;
DEVICE float value_of(element x) { return x; }
DEVICE element element_of(float x) { return x; }
#else
struct element {
  u16 bits;
};
#if TYPE == 1
DEVICE float value_of(element x) { return bfloat16_value(x.bits); }
DEVICE u16 bits_of(float x) { return bfloat16_bits(x); }
#else
DEVICE float value_of(element x) { return float16_value(x.bits); }
DEVICE u16 bits_of(float x) { return float16_bits(x); }
#endif
DEVICE element element_of(float x) {
  element rounded;
  rounded.bits = bits_of(x);
  return rounded;
}
#endif

#ifdef VECTOR
struct alignas(sizeof(element) * VECTOR) vector {
  element at[VECTOR];
};
DEVICE vector read(const element *from) { return *(const vector *)from; }
DEVICE void write(element *to, vector x) { *(vector *)to = x; }
#endif

#ifdef THREADS
/* The sum over the block, in an order that depends on nothing but THREADS. Every thread must call it. */
DEVICE float block_sum(float x, float *scratch) {
  for (int mask = 16; mask > 0; mask /= 2) x += shuffle_xor(x, mask);
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  float total = 0;
  for (int i = 0; i < THREADS / 32; i++) total += scratch[i];
  return total;
}

DEVICE float block_max(float x, float *scratch) {
  for (int mask = 16; mask > 0; mask /= 2) x = fmaxf(x, shuffle_xor(x, mask));
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
  __syncthreads();
  float largest = scratch[0];
  for (int i = 1; i < THREADS / 32; i++) largest = fmaxf(largest, scratch[i]);
  return largest;
}
#endif
`;
