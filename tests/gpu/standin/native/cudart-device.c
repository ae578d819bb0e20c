/* The CUDA runtime: one device, an H200 by its properties, and errors. */
#include "errors.h"
#include "standin.h"

#include <stdlib.h>
#include <string.h>

static _Thread_local int last_error;

int standin_fail(int error) {
  last_error = error;
  return error;
}

int cudaGetLastError(void) {
  int error = last_error;
  last_error = SUCCESS;
  return error;
}

int cudaPeekAtLastError(void) { return last_error; }

const char *cudaGetErrorName(int error) {
  switch (error) {
    case SUCCESS: return "cudaSuccess";
    case OUT_OF_MEMORY: return "cudaErrorMemoryAllocation";
    case INVALID_DEVICE: return "cudaErrorInvalidDevice";
    default: return "cudaErrorNotSupported";
  }
}

const char *cudaGetErrorString(int error) {
  switch (error) {
    case SUCCESS: return "no error";
    case OUT_OF_MEMORY: return "out of memory";
    case INVALID_DEVICE: return "invalid device ordinal";
    default: return "operation not supported by the stand-in";
  }
}

int cudaGetDeviceCount(int *count) {
  *count = 1;
  return SUCCESS;
}

int cudaGetDevice(int *device) {
  *device = 0;
  return SUCCESS;
}

int cudaSetDevice(int device) { return device == 0 ? SUCCESS : standin_fail(INVALID_DEVICE); }

int cudaRuntimeGetVersion(int *version) {
  *version = 13000;
  return SUCCESS;
}

int cudaDriverGetVersion(int *version) {
  const char *set = getenv("CUDA_STANDIN_DRIVER");
  *version = set ? atoi(set) : 13000;
  return SUCCESS;
}

int cudaDeviceSynchronize(void) {
  standin_count("wait", "for the device", 0);
  standin_host_waits_for_device();
  return SUCCESS;
}

/* cudaDeviceProp of CUDA 13, up to the last field that is set here. */
typedef struct {
  char name[256];
  char uuid[16];
  char luid[8];
  unsigned luid_device_node_mask;
  size_t total_memory;
  size_t shared_memory_per_block;
  int registers_per_block;
  int warp_size;
  size_t memory_pitch;
  int max_threads_per_block;
  int max_block[3];
  int max_grid[3];
  size_t constant_memory;
  int major;
  int minor;
  size_t texture_alignment;
  size_t texture_pitch_alignment;
  int multiprocessors;
  int integrated;
  int can_map_host_memory;
  int texture_limits[25];
  int surface_limits[14];
  size_t surface_alignment;
  int concurrent_kernels;
  int ecc_enabled;
  int pci[3];
  int tcc_driver;
  int async_engines;
  int unified_addressing;
  int memory_bus_width;
  int l2_cache_bytes;
  int persisting_l2_cache_bytes;
  int max_threads_per_multiprocessor;
  int cache_support[3];
  size_t shared_memory_per_multiprocessor;
  int registers_per_multiprocessor;
  int managed_memory;
  int multi_gpu[2];
  int host_atomics;
  int pageable_memory_access;
  int concurrent_managed_access;
  int compute_preemption;
  int registered_host_pointer;
  int cooperative_launch;
  size_t shared_memory_per_block_optin;
  int host_page_tables;
  int direct_managed_access;
  int max_blocks_per_multiprocessor;
  int access_policy_window;
  size_t reserved_shared_memory;
  int host_register[4];
  int memory_pools;
} device_properties;

/* Where driver_types.h of CUDA 13 puts the fields: the struct above has every field before the last one. */
_Static_assert(offsetof(device_properties, multiprocessors) == 384, "cudaDeviceProp");
_Static_assert(offsetof(device_properties, concurrent_kernels) == 560, "cudaDeviceProp");
_Static_assert(offsetof(device_properties, cooperative_launch) == 668, "cudaDeviceProp");
_Static_assert(offsetof(device_properties, memory_pools) == 720, "cudaDeviceProp");
enum { PROPERTIES_BYTES = 1008 };

int cudaGetDeviceProperties(void *out, int device) {
  static const device_properties h200 = {
      .name = "NVIDIA H200 (stand-in)",
      .shared_memory_per_block = 49152,
      .registers_per_block = 65536,
      .warp_size = 32,
      .memory_pitch = 2147483647,
      .max_threads_per_block = 1024,
      .max_block = {1024, 1024, 64},
      .max_grid = {2147483647, 65535, 65535},
      .constant_memory = 65536,
      .major = 9,
      .minor = 0,
      .texture_alignment = 512,
      .multiprocessors = 132,
      .can_map_host_memory = 1,
      .concurrent_kernels = 1,
      .ecc_enabled = 1,
      .async_engines = 3,
      .unified_addressing = 1,
      .memory_bus_width = 6144,
      .l2_cache_bytes = 52428800,
      .max_threads_per_multiprocessor = 2048,
      .shared_memory_per_multiprocessor = 233472,
      .registers_per_multiprocessor = 65536,
      .managed_memory = 1,
      .cooperative_launch = 1,
      .shared_memory_per_block_optin = 232448,
      .max_blocks_per_multiprocessor = 32,
      .memory_pools = 1,
  };
  if (device != 0) return standin_fail(INVALID_DEVICE);
  memset(out, 0, PROPERTIES_BYTES);
  memcpy(out, &h200, sizeof h200);
  ((device_properties *)out)->total_memory = standin_total_bytes();
  return SUCCESS;
}

int cudaDeviceGetAttribute(int *value, int attribute, int device) {
  /* Numbers of cudaDeviceAttr. */
  static const struct {
    int attribute;
    int value;
  } values[] = {
      {1, 1024},     {2, 1024},     {3, 1024},      {4, 64},        {5, 2147483647}, {6, 65535},
      {7, 65535},    {8, 49152},    {10, 32},       {12, 65536},    {13, 1980000},   {16, 132},
      {36, 2619000}, {37, 6144},    {38, 52428800}, {39, 2048},     {75, 9},         {76, 0},
      {81, 233472},  {82, 65536},   {97, 232448},   {106, 32},      {115, 1},
  };
  if (device != 0) return standin_fail(INVALID_DEVICE);
  *value = 1; /* the rest are mostly abilities */
  for (size_t i = 0; i < sizeof values / sizeof *values; i++)
    if (values[i].attribute == attribute) *value = values[i].value;
  return SUCCESS;
}

static int not_supported(void) { return NOT_SUPPORTED; }

int cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned version,
                                     unsigned long long flags, int *status) {
  (void)name;
  (void)version;
  (void)flags;
  *function = (void *)not_supported;
  if (status) *status = SUCCESS;
  return SUCCESS;
}
