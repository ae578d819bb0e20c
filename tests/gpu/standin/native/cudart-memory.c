/* The CUDA runtime: memory and copies. */
#include "errors.h"
#include "standin.h"

#include <stdio.h>
#include <string.h>

int cudaMalloc(void **out, size_t bytes) {
  standin_count("memory", "cudaMalloc", (double)bytes);
  *out = standin_allocate(bytes, DEVICE);
  return *out ? SUCCESS : standin_fail(OUT_OF_MEMORY);
}

int cudaMallocHost(void **out, size_t bytes) {
  standin_count("memory", "cudaMallocHost", (double)bytes);
  *out = standin_allocate(bytes, PINNED);
  return *out ? SUCCESS : standin_fail(OUT_OF_MEMORY);
}

int cudaHostAlloc(void **out, size_t bytes, unsigned flags) {
  (void)flags;
  return cudaMallocHost(out, bytes);
}

int cudaFree(void *address) {
  if (address) standin_count("memory", "cudaFree", 0);
  standin_free(address);
  return SUCCESS;
}

int cudaFreeHost(void *address) {
  standin_free(address);
  return SUCCESS;
}

int cudaMallocFromPoolAsync(void **out, size_t bytes, void *pool, stream *s) {
  (void)pool;
  (void)s;
  return cudaMalloc(out, bytes);
}

int cudaFreeAsync(void *address, stream *s) {
  (void)s;
  return cudaFree(address);
}

int cudaMemGetInfo(size_t *free_bytes, size_t *total) {
  *free_bytes = standin_total_bytes() - standin_current_bytes();
  *total = standin_total_bytes();
  return SUCCESS;
}

int cudaMemPoolCreate(void **pool, const void *properties) {
  (void)properties;
  *pool = (void *)1;
  return SUCCESS;
}

int cudaMemPoolDestroy(void *pool) {
  (void)pool;
  return SUCCESS;
}

int cudaMemPoolGetAttribute(void *pool, int attribute, void *value) {
  (void)pool;
  (void)attribute;
  *(uint64_t *)value = 0;
  return SUCCESS;
}

int cudaMemPoolSetAttribute(void *pool, int attribute, void *value) {
  (void)pool;
  (void)attribute;
  (void)value;
  return SUCCESS;
}

int cudaMemPoolTrimTo(void *pool, size_t bytes) {
  (void)pool;
  (void)bytes;
  return SUCCESS;
}

/* The direction of a copy by where its ends lie; what the caller says may be "default". */
static enum work direction_of(const void *to, const void *from) {
  int to_device = standin_memory_kind(to) == DEVICE;
  int from_device = standin_memory_kind(from) == DEVICE;
  if (to_device) return from_device ? COPY_ON_DEVICE : COPY_TO_DEVICE;
  return from_device ? COPY_TO_HOST : WORK_KINDS;
}

static const char *name_of(enum work direction) {
  static const char *const names[] = {"", "to device", "to host", "on device", "on host"};
  return names[direction];
}

static enum work copy(void *to, const void *from, size_t bytes, stream *s, const char *kind) {
  enum work direction = direction_of(to, from);
  standin_count(kind, name_of(direction), (double)bytes);
  if (direction != WORK_KINDS) standin_add_work(s, direction, (double)bytes);
  standin_copy(to, from, bytes, direction == COPY_TO_HOST);
  return direction;
}

/*
 * Waits until the copy is done, except from pageable memory: then it returns when the bytes are in a
 * staging buffer, and only the default stream is ordered after the copy (CUDA's "API synchronization
 * behavior").
 */
int cudaMemcpy(void *to, const void *from, size_t bytes, int kind) {
  (void)kind;
  int is_pageable = standin_memory_kind(from) == PAGEABLE;
  enum work direction = copy(to, from, bytes, NULL, "blocking-copy");
  if (direction == COPY_TO_HOST || (direction == COPY_TO_DEVICE && !is_pageable))
    standin_host_waits_for_stream(NULL);
  return SUCCESS;
}

int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, stream *s) {
  (void)kind;
  copy(to, from, bytes, s, "copy");
  return SUCCESS;
}

int cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width,
                      size_t height, int kind, stream *s) {
  (void)kind;
  enum work direction = direction_of(to, from);
  double bytes = (double)width * (double)height;
  standin_count("copy", name_of(direction), bytes);
  if (direction != WORK_KINDS) standin_add_work(s, direction, bytes);
  for (size_t i = 0; i < height; i++)
    standin_copy((char *)to + i * to_pitch, (const char *)from + i * from_pitch, width,
                 direction == COPY_TO_HOST);
  return SUCCESS;
}

int cudaMemcpyFromSymbol(void *to, const void *symbol, size_t bytes, size_t offset, int kind) {
  (void)symbol;
  (void)offset;
  (void)kind;
  memset(to, 0, bytes);
  return SUCCESS;
}

int cudaMemsetAsync(void *address, int value, size_t bytes, stream *s) {
  standin_count("memset", "bytes", (double)bytes);
  standin_add_work(s, KERNEL, (double)bytes);
  standin_fill(address, value, bytes);
  return SUCCESS;
}

int cudaMemset(void *address, int value, size_t bytes) {
  return cudaMemsetAsync(address, value, bytes, NULL);
}

/* cudaPointerAttributes. */
typedef struct {
  int type;
  int device;
  void *device_pointer;
  void *host_pointer;
  long reserved[8];
} pointer_attributes;

int cudaPointerGetAttributes(pointer_attributes *attributes, const void *address) {
  enum memory_kind kind = standin_memory_kind(address);
  void *p = (void *)address;
  memset(attributes, 0, sizeof *attributes);
  attributes->type = kind; /* the values of cudaMemoryType are those of `memory_kind` */
  attributes->device_pointer = kind == PAGEABLE ? NULL : p;
  attributes->host_pointer = kind == DEVICE ? NULL : p;
  return SUCCESS;
}
