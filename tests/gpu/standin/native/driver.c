/*
 * The driver, as far as Cambium and the provider ask it: name, memory, version, and kernels that are
 * loaded from a module. CUDA_STANDIN_DRIVER is the version of CUDA that it reports (default 13000).
 */
#include "standin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wunused-parameter"

int cudaDeviceGetAttribute(int *value, int attribute, int device);
int cudaDriverGetVersion(int *version);

static int context;

int cuInit(unsigned flags) { return SUCCESS; }
int cuDriverGetVersion(int *version) { return cudaDriverGetVersion(version); }

int cuDeviceGet(int *device, int ordinal) {
  *device = ordinal;
  return ordinal == 0 ? SUCCESS : INVALID_DEVICE;
}

int cuDeviceGetCount(int *count) {
  *count = 1;
  return SUCCESS;
}

int cuDeviceGetName(char *name, int bytes, int device) {
  snprintf(name, (size_t)bytes, "NVIDIA H200 (stand-in)");
  return SUCCESS;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  return cudaDeviceGetAttribute(value, attribute, device);
}

int cuDeviceTotalMem_v2(size_t *bytes, int device) {
  *bytes = standin_total_bytes();
  return SUCCESS;
}

int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
  *free_bytes = standin_total_bytes() - standin_current_bytes();
  *total = standin_total_bytes();
  return SUCCESS;
}

int cuDevicePrimaryCtxRetain(void **out, int device) {
  *out = &context;
  return SUCCESS;
}

int cuDevicePrimaryCtxRelease_v2(int device) { return SUCCESS; }

int cuCtxGetCurrent(void **out) {
  *out = &context;
  return SUCCESS;
}

int cuCtxSetCurrent(void *current) { return SUCCESS; }
int cuCtxPushCurrent_v2(void *pushed) { return SUCCESS; }

int cuCtxPopCurrent_v2(void **out) {
  *out = &context;
  return SUCCESS;
}

/* A module is any address; a function is its name. */
int cuModuleLoadData(void **out, const void *image) {
  standin_count("module", "loaded", 0);
  *out = &context;
  return SUCCESS;
}

int cuModuleUnload(void *module) { return SUCCESS; }

int cuModuleGetFunction(char **out, void *module, const char *name) {
  *out = strdup(name);
  return SUCCESS;
}

int cuFuncSetAttribute(const char *function, int attribute, int value) { return SUCCESS; }

int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const char *function, int block_size,
                                                size_t shared) {
  *blocks = 2;
  return SUCCESS;
}

int cuLaunchKernel(const char *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned shared, stream *s, void **arguments,
                   void **extra) {
  double blocks = (double)grid_x * grid_y * grid_z;
  standin_count("kernel", function, blocks * block_x * block_y * block_z);
  standin_add_work(s, KERNEL, 0);
  return SUCCESS;
}

int cuStreamSynchronize(stream *s) {
  standin_count("wait", "for a stream", 0);
  standin_host_waits_for_stream(s);
  return SUCCESS;
}

int cuGetErrorString(int error, const char **text) {
  *text = error ? "error of the stand-in" : "no error";
  return SUCCESS;
}

int cuGetExportTable(const void **table, const void *id) {
  *table = NULL;
  return NOT_SUPPORTED;
}

int cuTensorMapEncodeTiled(void) { return SUCCESS; }
