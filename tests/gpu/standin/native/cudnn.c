/*
 * cuDNN. The provider looks functions up by name, so every name that occurs in it is defined: the build
 * writes them into cudnn-names.h, as COMPUTES(name) if the function launches work and as ANSWERS(name)
 * otherwise.
 */
#include "standin.h"

#include <stdlib.h>

typedef struct {
  stream *s;
} handle;

int cudnnCreate(handle **out) {
  standin_count("handle", "of cuDNN", 0);
  *out = calloc(1, sizeof(handle));
  return SUCCESS;
}

int cudnnDestroy(handle *h) {
  free(h);
  return SUCCESS;
}

int cudnnSetStream(handle *h, stream *s) {
  h->s = s;
  return SUCCESS;
}

size_t cudnnGetVersion(void) { return 91300; }
const char *cudnnGetErrorString(int status) { return status ? "error" : "success"; }

#define ANSWERS(NAME) \
  int NAME(void) { return SUCCESS; }
/* Their first parameter is the handle. */
#define COMPUTES(NAME)                  \
  int NAME(handle *h) {                 \
    standin_count("kernel", #NAME, 0);  \
    standin_add_work(h->s, KERNEL, 0);  \
    return SUCCESS;                     \
  }

#include "cudnn-names.h"
