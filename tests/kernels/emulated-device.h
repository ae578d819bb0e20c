/*
 * The names of src-main/engine/kernels/device.ts on the emulator: conversions with the rounding of a GPU, and
 * operations of a warp, whose threads meet and read what the others have given.
 */

#define SHARED_MEMORY(name) u8 *name = emulator::shared

static const emulator::thread_position threadIdx;
#define blockIdx emulator::block_index
#define gridDim emulator::grid_size

inline void __syncthreads() { emulator::pause_at(emulator::AT_BLOCK, "__syncthreads"); }

inline float shuffle_xor(float x, int mask) {
  auto all = emulator::exchange("a shuffle", &x, sizeof x);
  memcpy(&x, all[(emulator::current % 32) ^ mask], sizeof x);
  return x;
}

inline float bfloat16_value(u16 bits) {
  const u32 word = (u32)bits << 16;
  float x;
  memcpy(&x, &word, 4);
  return x;
}

/* To the nearest, ties to even. */
inline u16 bfloat16_bits(float x) {
  u32 word;
  memcpy(&word, &x, 4);
  if (std::isnan(x)) return 0x7fff;
  return (u16)((word + 0x7fff + (word >> 16 & 1)) >> 16);
}

inline float float16_value(u16 bits) {
  _Float16 half;
  memcpy(&half, &bits, 2);
  return (float)half;
}

inline u16 float16_bits(float x) {
  const _Float16 half = (_Float16)x;
  u16 bits;
  memcpy(&bits, &half, 2);
  return bits;
}

inline void load_matrices_of(u32 to[4], const void *row, bool transposed) {
  auto all = emulator::exchange("ldmatrix", &row, sizeof row);
  const int lane = emulator::current % 32;
  for (int m = 0; m < 4; m++) {
    u16 pair[2];
    for (int j = 0; j < 2; j++) {
      const int r = transposed ? lane % 4 * 2 + j : lane / 4, c = transposed ? lane / 4 : lane % 4 * 2 + j;
      const u16 *from;
      memcpy(&from, all[8 * m + r], sizeof from);
      if ((uintptr_t)from % 16) emulator::fail("ldmatrix needs rows at multiples of 16 bytes");
      pair[j] = from[c];
    }
    memcpy(&to[m], pair, 4);
  }
}
inline void load_matrices(u32 to[4], const void *row) { load_matrices_of(to, row, false); }
inline void load_matrices_transposed(u32 to[4], const void *row) { load_matrices_of(to, row, true); }

template <float VALUE(u16)> void multiply_matrices(float c[4], const u32 a[4], const u32 b[2]) {
  u32 mine[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  auto all = emulator::exchange("mma.sync", mine, sizeof mine);
  const int lane = emulator::current % 32;
  for (int i = 0; i < 4; i++) {
    float sum = 0;
    for (int k = 0; k < 16; k++) {
      const int row = lane / 4, column = lane % 4 * 2 + i % 2;
      u32 left[6], right[6];
      memcpy(left, all[row * 4 + k % 8 / 2], sizeof left);
      memcpy(right, all[column * 4 + k % 8 / 2], sizeof right);
      const u32 x = left[i / 2 + k / 8 * 2], y = right[4 + k / 8];
      sum += VALUE((u16)(k % 2 ? x >> 16 : x)) * VALUE((u16)(k % 2 ? y >> 16 : y));
    }
    c[i] += sum;
  }
}
inline void multiply_bfloat16(float c[4], const u32 a[4], const u32 b[2]) { multiply_matrices<bfloat16_value>(c, a, b); }
inline void multiply_float16(float c[4], const u32 a[4], const u32 b[2]) { multiply_matrices<float16_value>(c, a, b); }

/* Copies happen at once or when they are waited for: anything else may be read too early or overwritten. */
inline void copy_async(void *to, const void *from) {
  emulator::thread &t = emulator::threads[emulator::current];
  if (((uintptr_t)to | (uintptr_t)from) % 16) emulator::fail("cp.async needs multiples of 16 bytes");
  if (emulator::draw(2)) {
    memcpy(to, from, 16);
    return;
  }
  if (t.copies == emulator::COPIES) emulator::fail("too many copies are under way");
  t.pending[t.copies++] = {to, from, t.group};
}
inline void copies_commit() { emulator::threads[emulator::current].group++; }
template <int PENDING> void copies_wait() {
  emulator::thread &t = emulator::threads[emulator::current];
  int left = 0;
  for (int i = 0; i < t.copies; i++) {
    const emulator::copy &c = t.pending[i];
    if (c.group < t.group - PENDING)
      memcpy(c.to, c.from, 16);
    else
      t.pending[left++] = c;
  }
  t.copies = left;
}
