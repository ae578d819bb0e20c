/**
 * @file What the kernels use of a GPU: conversions, warp shuffles, matrix products on tensor cores and
 * asynchronous copies, as PTX, because NVRTC has no headers. tests/kernels/emulated-device.h defines the same names
 * for a processor.
 */

export const deviceSource = String.raw`
#define DEVICE __device__ __forceinline__
#define KERNEL extern "C" __global__
#define SHARED_MEMORY(name) extern __shared__ __align__(16) u8 name[]

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

DEVICE float bfloat16_value(u16 bits) { return __uint_as_float((u32)bits << 16); }

DEVICE u16 bfloat16_bits(float x) {
  u16 bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}

DEVICE float float16_value(u16 bits) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
  return x;
}

DEVICE u16 float16_bits(float x) {
  u16 bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}

DEVICE float shuffle_xor(float x, int mask) { return __shfl_xor_sync(0xffffffffu, x, mask); }

/* The address of shared memory as PTX has it. */
DEVICE u32 shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }

/* Four 8 x 8 matrices of 16-bit elements; lane i gives the address of row i % 8 of matrix i / 8. */
DEVICE void load_matrices(u32 to[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(row))
               : "memory");
}

DEVICE void load_matrices_transposed(u32 to[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(row))
               : "memory");
}

/* c += a b for a [16, 16] and b [16, 8], in the layout of mma.sync.m16n8k16. */
DEVICE void multiply_bfloat16(float c[4], const u32 a[4], const u32 b[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

DEVICE void multiply_float16(float c[4], const u32 a[4], const u32 b[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* Copies 16 bytes from global to shared memory; they are there after copies_wait and a barrier. */
DEVICE void copy_async(void *to, const void *from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to)), "l"(from) : "memory");
}

/* Ends a group of copies. */
DEVICE void copies_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/* Waits until at most PENDING groups of this thread's copies are under way. */
template <int PENDING> DEVICE void copies_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}
`;
