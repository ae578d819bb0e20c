/* Device memory and pinned host memory: host memory that is reserved, and takes space once it is written. */
#define _GNU_SOURCE
#include "standin.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef struct {
  char *address;
  size_t bytes;
  enum memory_kind kind;
} block;

static block *blocks;
static size_t block_count;
static size_t block_capacity;

static uint64_t current_bytes;
static uint64_t peak_bytes;
static uint64_t total_bytes = (uint64_t)141 << 30;
static uint64_t copy_limit = UINT64_MAX;

static void add_block(block b) {
  if (block_count == block_capacity) {
    block_capacity = block_capacity ? 2 * block_capacity : 256;
    blocks = realloc(blocks, block_capacity * sizeof *blocks);
  }
  blocks[block_count++] = b;
}

/* The block that an address lies in; NULL if it lies in none. The lock is held. */
static block *find_block(const void *address) {
  for (size_t i = 0; i < block_count; i++) {
    const char *start = blocks[i].address;
    if ((const char *)address >= start && (const char *)address < start + blocks[i].bytes) return &blocks[i];
  }
  return NULL;
}

/* The size that is counted: CUDA aligns allocations to 512 bytes. */
static size_t round_up(size_t bytes) { return bytes ? (bytes + 511) & ~(size_t)511 : 512; }

static void *map_block(size_t bytes, enum memory_kind kind) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  char *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (address == MAP_FAILED) return NULL;
  add_block((block){address, bytes, kind});
  if (kind == DEVICE) {
    current_bytes += bytes;
    if (current_bytes > peak_bytes) peak_bytes = current_bytes;
  }
  return address;
}

void *standin_allocate(size_t bytes, enum memory_kind kind) {
  size_t rounded = round_up(bytes);
  standin_lock();
  int fits = kind != DEVICE || current_bytes + rounded <= total_bytes;
  void *address = fits ? map_block(rounded, kind) : NULL;
  standin_unlock();
  return address;
}

void standin_free(void *address) {
  standin_lock();
  block *b = address ? find_block(address) : NULL;
  if (b && b->address == address) {
    munmap(b->address, b->bytes);
    if (b->kind == DEVICE) current_bytes -= b->bytes;
    *b = blocks[--block_count];
  }
  standin_unlock();
}

enum memory_kind standin_memory_kind(const void *address) {
  standin_lock();
  const block *b = find_block(address);
  enum memory_kind kind = b ? b->kind : PAGEABLE;
  standin_unlock();
  return kind;
}

uint64_t standin_current_bytes(void) { return current_bytes; }
uint64_t standin_peak_bytes(void) { return peak_bytes; }
uint64_t standin_total_bytes(void) { return total_bytes; }
void standin_reset_peak(void) { peak_bytes = current_bytes; }
void standin_set_total_bytes(uint64_t bytes) { total_bytes = bytes; }
void standin_set_copy_limit(uint64_t bytes) { copy_limit = bytes; }

void standin_copy(void *to, const void *from, size_t bytes, int is_to_host) {
  if (bytes <= copy_limit)
    memmove(to, from, bytes);
  else if (is_to_host)
    memset(to, 0, bytes);
}

void standin_fill(void *address, int value, size_t bytes) {
  if (bytes <= copy_limit) memset(address, value, bytes);
}
