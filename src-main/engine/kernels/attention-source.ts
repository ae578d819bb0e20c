/**
 * @file The CUDA C of FlashAttention. Matrix products run on tensor cores (mma.sync m16n8k16); tiles of rows lie in
 * shared memory with 8 elements of padding, so that the rows of a matrix fall into different banks. A warp computes
 * 16 rows, a block ROWS = 64, against tiles of COLUMNS rows of the other side, which are copied while it computes
 * if there is memory for STAGES = 2 of them.
 *
 * FlashAttention-2 (Dao 2023). The backward pass has no atomic additions: dQ by tiles of queries, dK and dV by tiles
 * of keys over the heads of a group, so that equal inputs give equal bits.
 */

/** Shared by all of them: tiles, products and the mask. Needs TYPE, HEAD, COLUMNS, STAGES, WINDOW, DOCUMENTS. */
export const tileSource = String.raw`
#define ROWS 64
#define THREADS_OF_BLOCK 128
#define PITCH (HEAD + 8)
#define MASKED -1e30f

#if TYPE == 1
#define multiply_tile multiply_bfloat16
#else
#define multiply_tile multiply_float16
#endif

DEVICE int smaller(int a, int b) { return a < b ? a : b; }
DEVICE int larger(int a, int b) { return a > b ? a : b; }

DEVICE u32 pair_of(float low, float high) { return (u32)bits_of(low) | (u32)bits_of(high) << 16; }

/* Copies COUNT rows of a matrix of seq rows into a tile; rows beyond its end are zeros. */
template <int COUNT> DEVICE void load_tile(element *tile, const element *from, int first, int seq, int stride) {
  for (int i = threadIdx.x; i < COUNT * (HEAD / 8); i += THREADS_OF_BLOCK) {
    const int row = i / (HEAD / 8), column = i % (HEAD / 8) * 8;
    element *to = tile + row * PITCH + column;
    if (first + row < seq)
      copy_async(to, from + (u64)(first + row) * stride + column);
    else
      for (int j = 0; j < 8; j++) to[j] = element_of(0);
  }
}

/* [16, 16] of a tile as the first operand. */
DEVICE void load_first(u32 to[4], const element *tile, int row, int column) {
  const int lane = threadIdx.x % 32;
  load_matrices(to, tile + (row + lane % 16) * PITCH + column + lane / 16 * 8);
}

/* c [16, COUNT] += (rows of a from row on) x (the COUNT rows of b), both with HEAD columns. */
template <int COUNT> DEVICE void multiply_rows(float (*c)[4], const element *a, int row, const element *b) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < HEAD; k += 16) {
    u32 first[4];
    load_first(first, a, row, k);
#pragma unroll
    for (int n = 0; n < COUNT; n += 16) {
      u32 second[4];
      load_matrices(second, b + (n + lane / 16 * 8 + lane % 8) * PITCH + k + lane / 8 % 2 * 8);
      multiply_tile(c[n / 8], first, second);
      multiply_tile(c[n / 8 + 1], first, second + 2);
    }
  }
}

/* c [16, WIDTH] += p [16, COUNT] x (WIDTH columns of the COUNT rows of b). */
template <int COUNT, int WIDTH> DEVICE void multiply_columns(float (*c)[4], float (*p)[4], const element *b) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < COUNT; k += 16) {
    const float *left = p[k / 8], *right = p[k / 8 + 1];
    const u32 first[4] = {pair_of(left[0], left[1]), pair_of(left[2], left[3]), pair_of(right[0], right[1]),
                          pair_of(right[2], right[3])};
#pragma unroll
    for (int n = 0; n < WIDTH; n += 16) {
      u32 second[4];
      load_matrices_transposed(second, b + (k + lane % 16) * PITCH + n + lane / 16 * 8);
      multiply_tile(c[n / 8], first, second);
      multiply_tile(c[n / 8 + 1], first, second + 2);
    }
  }
}

template <int COUNT> DEVICE void clear(float (*c)[4]) {
#pragma unroll
  for (int n = 0; n < COUNT / 8; n++)
    for (int i = 0; i < 4; i++) c[n][i] = 0;
}

/* Writes the warp's [16, WIDTH], times a factor for each half of the rows, to rows from first on. */
template <int WIDTH>
DEVICE void store_rows(element *to, float (*c)[4], int first, int seq, int stride, float top, float bottom) {
  const int lane = threadIdx.x % 32;
  for (int half = 0; half < 2; half++) {
    const int row = first + lane / 4 + 8 * half;
    if (row >= seq) continue;
    const float factor = half ? bottom : top;
    for (int n = 0; n < WIDTH / 8; n++)
      *(u32 *)(to + (u64)row * stride + n * 8 + lane % 4 * 2) =
          pair_of(c[n][2 * half] * factor, c[n][2 * half + 1] * factor);
  }
}

/* A score between a query and a key, masked; slope becomes the derivative of the soft-cap. */
struct rule {
  float scale, softcap;
  DEVICE float score(float product, int query, int key, int document, int other, float &slope) const {
    float s = product * scale;
    slope = 1;
#if SOFTCAP
    const float t = 1 - 2 / (1 + expf(2 * s / softcap));
    slope = 1 - t * t;
    s = t * softcap;
#endif
    bool attends = key <= query && document == other;
#if WINDOW > 0
    attends = attends && query - key < WINDOW;
#endif
    return attends ? s : MASKED;
  }
};

/* Where a tensor of heads begins, and the distance of its rows. */
DEVICE const element *head_of(const element *x, int batch, int seq, int heads, int head) {
  return x + ((u64)batch * seq * heads + head) * HEAD;
}

#if DOCUMENTS
#define DOCUMENTS_PARAMETER const int *documents,
#define document_of(position) (documents[(u64)blockIdx.z * seq + smaller(position, seq - 1)])
#else
#define DOCUMENTS_PARAMETER
#define document_of(position) 0
#endif

/* The first tile of keys that a tile of queries attends to, and the tile after the last one. */
DEVICE int first_key_tile(int query) {
#if WINDOW > 0
  return larger(0, query - WINDOW + 1) / COLUMNS;
#else
  return 0;
#endif
}
`;

export const forwardSource = String.raw`${tileSource}
KERNEL void ENTRY(const element *q, const element *k, const element *v, DOCUMENTS_PARAMETER element *out,
                  float *log_sums, int seq, int heads, int key_heads, float scale, float softcap) {
  SHARED_MEMORY(memory);
  element *queries = (element *)memory, *keys = queries + ROWS * PITCH, *values = keys + STAGES * COLUMNS * PITCH;
  const int lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * 16;
  const int from = ((int)gridDim.x - 1 - (int)blockIdx.x) * ROWS; /* the longest rows first */
  const int head = blockIdx.y, key_head = head / (heads / key_heads);
  const int stride = heads * HEAD, key_stride = key_heads * HEAD;
  const element *k_head = head_of(k, blockIdx.z, seq, key_heads, key_head);
  const element *v_head = head_of(v, blockIdx.z, seq, key_heads, key_head);
  const rule mask = {scale, softcap};
  const int begin = first_key_tile(from), end = (smaller(from + ROWS, seq) + COLUMNS - 1) / COLUMNS;
  load_tile<ROWS>(queries, head_of(q, blockIdx.z, seq, heads, head), from, seq, stride);
  load_tile<COLUMNS>(keys, k_head, begin * COLUMNS, seq, key_stride);
  load_tile<COLUMNS>(values, v_head, begin * COLUMNS, seq, key_stride);
  copies_commit();

  float o[HEAD / 8][4], largest[2] = {MASKED, MASKED}, total[2] = {0, 0};
  clear<HEAD>(o);
  const int row = from + warp_row + lane / 4;
  const int documents_of_row[2] = {document_of(row), document_of(row + 8)};
  for (int tile = begin; tile < end; tile++) {
    const int stage = (tile - begin) % STAGES * COLUMNS * PITCH;
    copies_wait<0>();
    __syncthreads(); /* this tile is there, and nobody reads the other one any more */
    if (STAGES == 2 && tile + 1 < end) {
      const int next = COLUMNS * PITCH - stage;
      load_tile<COLUMNS>(keys + next, k_head, (tile + 1) * COLUMNS, seq, key_stride);
      load_tile<COLUMNS>(values + next, v_head, (tile + 1) * COLUMNS, seq, key_stride);
      copies_commit();
    }
    float s[COLUMNS / 8][4];
    clear<COLUMNS>(s);
    multiply_rows<COLUMNS>(s, queries, warp_row, keys + stage);
    float highest[2] = {largest[0], largest[1]};
    for (int n = 0; n < COLUMNS / 8; n++)
      for (int i = 0; i < 4; i++) {
        const int key = tile * COLUMNS + n * 8 + lane % 4 * 2 + i % 2;
        float slope;
        s[n][i] = mask.score(s[n][i], row + i / 2 * 8, key, documents_of_row[i / 2], document_of(key), slope);
        highest[i / 2] = fmaxf(highest[i / 2], s[n][i]);
      }
    for (int half = 0; half < 2; half++) {
      highest[half] = fmaxf(highest[half], shuffle_xor(highest[half], 1));
      highest[half] = fmaxf(highest[half], shuffle_xor(highest[half], 2));
      const float shrink = expf(largest[half] - highest[half]);
      largest[half] = highest[half];
      total[half] *= shrink;
      for (int n = 0; n < HEAD / 8; n++)
        for (int i = 0; i < 2; i++) o[n][2 * half + i] *= shrink;
    }
    for (int n = 0; n < COLUMNS / 8; n++)
      for (int i = 0; i < 4; i++) {
        s[n][i] = expf(s[n][i] - largest[i / 2]);
        total[i / 2] += s[n][i];
      }
    multiply_columns<COLUMNS, HEAD>(o, s, values + stage);
    if (STAGES == 1 && tile + 1 < end) {
      __syncthreads();
      load_tile<COLUMNS>(keys, k_head, (tile + 1) * COLUMNS, seq, key_stride);
      load_tile<COLUMNS>(values, v_head, (tile + 1) * COLUMNS, seq, key_stride);
      copies_commit();
    }
  }
  for (int half = 0; half < 2; half++) {
    total[half] += shuffle_xor(total[half], 1);
    total[half] += shuffle_xor(total[half], 2);
    const int query = row + 8 * half;
    if (lane % 4 == 0 && query < seq)
      log_sums[((u64)blockIdx.z * heads + head) * seq + query] = largest[half] + logf(total[half]);
  }
  element *to = (element *)head_of(out, blockIdx.z, seq, heads, head);
  store_rows<HEAD>(to, o, from + warp_row, seq, stride, 1 / total[0], 1 / total[1]);
}
`;

export const deltaSource = String.raw`
KERNEL void ENTRY(const element *g, const element *out, float *delta, int seq, int heads, int rows) {
  const int row = blockIdx.x * (THREADS / 32) + threadIdx.x / 32; /* a warp for each head of each position */
  const int lane = threadIdx.x % 32;
  float sum = 0;
  if (row < rows)
    for (int i = lane; i < HEAD; i += 32) sum += value_of(g[(u64)row * HEAD + i]) * value_of(out[(u64)row * HEAD + i]);
  for (int mask = 16; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
  const int position = row / heads, head = row % heads;
  if (row < rows && lane == 0) delta[((u64)(position / seq) * heads + head) * seq + position % seq] = sum;
}
`;

const gradientParameters = String.raw`const element *g, const element *q, const element *k, const element *v,
                  const float *log_sums, const float *delta, DOCUMENTS_PARAMETER`;

export const queryGradientSource = String.raw`${tileSource}
KERNEL void ENTRY(${gradientParameters} element *dq,
                  int seq, int heads, int key_heads, float scale, float softcap) {
  SHARED_MEMORY(memory);
  element *queries = (element *)memory, *gradients = queries + ROWS * PITCH;
  element *keys = gradients + ROWS * PITCH, *values = keys + STAGES * COLUMNS * PITCH;
  const int lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * 16;
  const int from = ((int)gridDim.x - 1 - (int)blockIdx.x) * ROWS;
  const int head = blockIdx.y, key_head = head / (heads / key_heads);
  const int stride = heads * HEAD, key_stride = key_heads * HEAD;
  const element *k_head = head_of(k, blockIdx.z, seq, key_heads, key_head);
  const element *v_head = head_of(v, blockIdx.z, seq, key_heads, key_head);
  const rule mask = {scale, softcap};
  const int begin = first_key_tile(from), end = (smaller(from + ROWS, seq) + COLUMNS - 1) / COLUMNS;
  load_tile<ROWS>(queries, head_of(q, blockIdx.z, seq, heads, head), from, seq, stride);
  load_tile<ROWS>(gradients, head_of(g, blockIdx.z, seq, heads, head), from, seq, stride);
  load_tile<COLUMNS>(keys, k_head, begin * COLUMNS, seq, key_stride);
  load_tile<COLUMNS>(values, v_head, begin * COLUMNS, seq, key_stride);
  copies_commit();

  float d[HEAD / 8][4];
  clear<HEAD>(d);
  const int row = from + warp_row + lane / 4;
  const int documents_of_row[2] = {document_of(row), document_of(row + 8)};
  const u64 statistics = ((u64)blockIdx.z * heads + head) * seq;
  float log_sum[2], row_delta[2];
  for (int half = 0; half < 2; half++) {
    const int query = smaller(row + 8 * half, seq - 1);
    log_sum[half] = log_sums[statistics + query];
    row_delta[half] = delta[statistics + query];
  }
  for (int tile = begin; tile < end; tile++) {
    const int stage = (tile - begin) % STAGES * COLUMNS * PITCH;
    copies_wait<0>();
    __syncthreads();
    if (STAGES == 2 && tile + 1 < end) {
      const int next = COLUMNS * PITCH - stage;
      load_tile<COLUMNS>(keys + next, k_head, (tile + 1) * COLUMNS, seq, key_stride);
      load_tile<COLUMNS>(values + next, v_head, (tile + 1) * COLUMNS, seq, key_stride);
      copies_commit();
    }
    float s[COLUMNS / 8][4], dp[COLUMNS / 8][4];
    clear<COLUMNS>(s);
    clear<COLUMNS>(dp);
    multiply_rows<COLUMNS>(s, queries, warp_row, keys + stage);
    multiply_rows<COLUMNS>(dp, gradients, warp_row, values + stage);
    for (int n = 0; n < COLUMNS / 8; n++)
      for (int i = 0; i < 4; i++) {
        const int key = tile * COLUMNS + n * 8 + lane % 4 * 2 + i % 2;
        float slope;
        const float score =
            mask.score(s[n][i], row + i / 2 * 8, key, documents_of_row[i / 2], document_of(key), slope);
        s[n][i] = expf(score - log_sum[i / 2]) * (dp[n][i] - row_delta[i / 2]) * slope;
      }
    multiply_columns<COLUMNS, HEAD>(d, s, keys + stage);
    if (STAGES == 1 && tile + 1 < end) {
      __syncthreads();
      load_tile<COLUMNS>(keys, k_head, (tile + 1) * COLUMNS, seq, key_stride);
      load_tile<COLUMNS>(values, v_head, (tile + 1) * COLUMNS, seq, key_stride);
      copies_commit();
    }
  }
  element *to = (element *)head_of(dq, blockIdx.z, seq, heads, head);
  store_rows<HEAD>(to, d, from + warp_row, seq, stride, scale, scale);
}
`;

/** Also needs PARTS: blocks share the columns of a wide head, whose gradients fill too many registers. */
export const keyGradientSource = String.raw`${tileSource}
#define PART (HEAD / PARTS)

/* The tile after the last one of queries that attend to keys from this one on. */
DEVICE int last_query_tile(int key, int seq) {
#if WINDOW > 0
  return (smaller(seq, key + ROWS - 1 + WINDOW) + COLUMNS - 1) / COLUMNS;
#else
  return (seq + COLUMNS - 1) / COLUMNS;
#endif
}

KERNEL void ENTRY(${gradientParameters} element *dk,
                  element *dv, int seq, int heads, int key_heads, float scale, float softcap) {
  SHARED_MEMORY(memory);
  element *keys = (element *)memory, *values = keys + ROWS * PITCH;
  element *queries = values + ROWS * PITCH, *gradients = queries + STAGES * COLUMNS * PITCH;
  const int lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * 16;
  const int from = blockIdx.x / PARTS * ROWS; /* the first keys have the most queries */
  const int part = blockIdx.x % PARTS * PART; /* the first of the columns that this block computes */
  const int key_head = blockIdx.y, group = heads / key_heads;
  const int stride = heads * HEAD, key_stride = key_heads * HEAD;
  const rule mask = {scale, softcap};
  load_tile<ROWS>(keys, head_of(k, blockIdx.z, seq, key_heads, key_head), from, seq, key_stride);
  load_tile<ROWS>(values, head_of(v, blockIdx.z, seq, key_heads, key_head), from, seq, key_stride);

  float to_keys[PART / 8][4], to_values[PART / 8][4];
  clear<PART>(to_keys);
  clear<PART>(to_values);
  const int row = from + warp_row + lane / 4;
  const int documents_of_row[2] = {document_of(row), document_of(row + 8)};
  const int begin = from / COLUMNS, tiles = last_query_tile(from, seq) - begin;
  for (int step = 0; step < group * tiles; step++) {
    const int head = key_head * group + step / tiles;
    const int stage = step % STAGES * COLUMNS * PITCH;
    if (step == 0 || STAGES == 1) {
      load_tile<COLUMNS>(queries + stage, head_of(q, blockIdx.z, seq, heads, head),
                         (begin + step % tiles) * COLUMNS, seq, stride);
      load_tile<COLUMNS>(gradients + stage, head_of(g, blockIdx.z, seq, heads, head),
                         (begin + step % tiles) * COLUMNS, seq, stride);
      copies_commit();
    }
    copies_wait<0>();
    __syncthreads();
    if (STAGES == 2 && step + 1 < group * tiles) {
      const int next = COLUMNS * PITCH - stage, next_head = key_head * group + (step + 1) / tiles;
      const int first = (begin + (step + 1) % tiles) * COLUMNS;
      load_tile<COLUMNS>(queries + next, head_of(q, blockIdx.z, seq, heads, next_head), first, seq, stride);
      load_tile<COLUMNS>(gradients + next, head_of(g, blockIdx.z, seq, heads, next_head), first, seq, stride);
      copies_commit();
    }
    float s[COLUMNS / 8][4], dp[COLUMNS / 8][4];
    clear<COLUMNS>(s);
    clear<COLUMNS>(dp);
    multiply_rows<COLUMNS>(s, keys, warp_row, queries + stage);
    multiply_rows<COLUMNS>(dp, values, warp_row, gradients + stage);
    const u64 statistics = ((u64)blockIdx.z * heads + head) * seq;
    for (int n = 0; n < COLUMNS / 8; n++)
      for (int i = 0; i < 4; i++) {
        const int query = (begin + step % tiles) * COLUMNS + n * 8 + lane % 4 * 2 + i % 2;
        const int within = smaller(query, seq - 1);
        float slope;
        float p = mask.score(s[n][i], query, row + i / 2 * 8, document_of(query), documents_of_row[i / 2], slope);
        p = query < seq ? expf(p - log_sums[statistics + within]) : 0.0f;
        s[n][i] = p;
        dp[n][i] = p * (dp[n][i] - delta[statistics + within]) * slope;
      }
    multiply_columns<COLUMNS, PART>(to_values, s, gradients + stage + part);
    multiply_columns<COLUMNS, PART>(to_keys, dp, queries + stage + part);
    if (STAGES == 1) __syncthreads();
  }
  element *keys_to = (element *)head_of(dk, blockIdx.z, seq, key_heads, key_head) + part;
  element *values_to = (element *)head_of(dv, blockIdx.z, seq, key_heads, key_head) + part;
  store_rows<PART>(keys_to, to_keys, from + warp_row, seq, key_stride, scale, scale);
  store_rows<PART>(values_to, to_values, from + warp_row, seq, key_stride, 1, 1);
}
`;
