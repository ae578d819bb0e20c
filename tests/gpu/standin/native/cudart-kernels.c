/* The CUDA runtime: kernels, which a library registers by address and name when it is loaded. */
#include "standin.h"

#include <string.h>

typedef struct {
  unsigned x;
  unsigned y;
  unsigned z;
} size3;

enum { SLOTS = 1 << 18 };

/* An open-addressing hash table from the address of a kernel's host function to its C++ name. */
static struct {
  const void *function;
  const char *name;
} kernels[SLOTS];

static size_t slot_of(const void *function) {
  size_t i = (size_t)(((uintptr_t)function * 11400714819323198485u) >> 46);
  while (kernels[i].function && kernels[i].function != function) i = (i + 1) % SLOTS;
  return i;
}

static const char *name_of(const void *function) {
  const char *name = kernels[slot_of(function)].name;
  return name ? name : "an unknown kernel";
}

void **__cudaRegisterFatBinary(const void *binary) {
  static void *handle;
  (void)binary;
  return &handle;
}

void __cudaRegisterFatBinaryEnd(void **handle) { (void)handle; }
void __cudaUnregisterFatBinary(void **handle) { (void)handle; }

void __cudaRegisterVar(void **handle, char *host, char *address, const char *name, int is_external,
                       size_t bytes, int is_constant, int is_global) {
  (void)handle;
  (void)host;
  (void)address;
  (void)name;
  (void)is_external;
  (void)bytes;
  (void)is_constant;
  (void)is_global;
}

void __cudaRegisterFunction(void **handle, const void *function, char *device_function, const char *name,
                            int thread_limit, void *thread, void *block, void *block_size, void *grid_size,
                            int *warp_size) {
  (void)handle;
  (void)device_function;
  (void)thread_limit;
  (void)thread;
  (void)block;
  (void)block_size;
  (void)grid_size;
  (void)warp_size;
  size_t i = slot_of(function);
  kernels[i].function = function;
  kernels[i].name = name;
}

static int launch(const void *function, size3 grid, size3 block, stream *s) {
  double threads = (double)grid.x * grid.y * grid.z * block.x * block.y * block.z;
  standin_count("kernel", name_of(function), threads);
  standin_add_work(s, KERNEL, 0);
  return SUCCESS;
}

int cudaLaunchKernel(const void *function, size3 grid, size3 block, void **arguments, size_t shared,
                     stream *s) {
  (void)arguments;
  (void)shared;
  return launch(function, grid, block, s);
}

int __cudaLaunchKernel(const void *function, size3 grid, size3 block, void **arguments, size_t shared,
                       stream *s) {
  return cudaLaunchKernel(function, grid, block, arguments, shared, s);
}

int cudaLaunchCooperativeKernel(const void *function, size3 grid, size3 block, void **arguments,
                                size_t shared, stream *s) {
  return cudaLaunchKernel(function, grid, block, arguments, shared, s);
}

/* cudaLaunchConfig_t. */
typedef struct {
  size3 grid;
  size3 block;
  size_t shared;
  stream *s;
} launch_config;

int cudaLaunchKernelExC(const launch_config *config, const void *function, void **arguments) {
  (void)arguments;
  return launch(function, config->grid, config->block, config->s);
}

int __cudaGetKernel(const void **kernel, const void *function) {
  *kernel = function;
  return SUCCESS;
}

/* The configuration of `kernel<<<…>>>`, between the caller and the kernel's host function. */
static _Thread_local launch_config pushed[16];
static _Thread_local int depth;

unsigned __cudaPushCallConfiguration(size3 grid, size3 block, size_t shared, stream *s) {
  if (depth == 16) return 1;
  pushed[depth++] = (launch_config){grid, block, shared, s};
  return SUCCESS;
}

int __cudaPopCallConfiguration(size3 *grid, size3 *block, size_t *shared, stream **s) {
  if (depth == 0) return NOT_SUPPORTED;
  const launch_config *config = &pushed[--depth];
  *grid = config->grid;
  *block = config->block;
  *shared = config->shared;
  *s = config->s;
  return SUCCESS;
}

/* cudaFuncAttributes, which has 144 bytes. */
typedef struct {
  size_t shared;
  size_t constant;
  size_t local;
  int max_threads_per_block;
  int registers;
  int ptx_version;
  int binary_version;
  int cache_mode;
  int max_dynamic_shared;
  int reserved[24];
} function_attributes;

int cudaFuncGetAttributes(function_attributes *attributes, const void *function) {
  (void)function;
  *attributes = (function_attributes){
      .max_threads_per_block = 1024, .registers = 64, .binary_version = 90, .max_dynamic_shared = 232448};
  return SUCCESS;
}

int cudaFuncSetAttribute(const void *function, int attribute, int value) {
  (void)function;
  (void)attribute;
  (void)value;
  return SUCCESS;
}

int cudaKernelSetAttributeForDevice(const void *kernel, int attribute, int value, int device) {
  (void)kernel;
  (void)attribute;
  (void)value;
  (void)device;
  return SUCCESS;
}

int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, const void *function, int block_size,
                                                           size_t shared, unsigned flags) {
  (void)function;
  (void)shared;
  (void)flags;
  int fitting = 2048 / (block_size > 0 ? block_size : 1);
  *blocks = fitting < 1 ? 1 : fitting > 16 ? 16 : fitting;
  return SUCCESS;
}

/* Kernels that are loaded at run time are counted without a name. */
static int library;

int cudaLibraryLoadData(void **out, const void *code, void *options, void *values, unsigned count,
                        void *library_options, void *library_values, unsigned library_count) {
  (void)code;
  (void)options;
  (void)values;
  (void)count;
  (void)library_options;
  (void)library_values;
  (void)library_count;
  *out = &library;
  return SUCCESS;
}

int cudaLibraryGetKernel(void **kernel, void *from, const char *name) {
  (void)from;
  (void)name;
  *kernel = &library;
  return SUCCESS;
}

int cudaLibraryUnload(void *unloaded) {
  (void)unloaded;
  return SUCCESS;
}
