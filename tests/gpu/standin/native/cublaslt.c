/* cuBLASLt: products whose shapes come from descriptors. */
#include "products.h"
#include "standin.h"

#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wunused-parameter"

/* Values of cublasLtMatrixLayoutAttribute_t and cublasLtMatmulDescAttributes_t. */
enum { LAYOUT_BATCH_COUNT = 5 };
enum { PRODUCT_TRANSPOSES_A = 3 };

/* Bytes of cublasLtMatmulAlgo_t, and of cublasLtMatmulHeuristicResult_t, which starts with one. */
enum { ALGORITHM_BYTES = 64, HEURISTIC_BYTES = 96 };

typedef struct {
  int type;
  uint64_t rows;
  uint64_t columns;
  int count;
} layout;

typedef struct {
  int transposes_a;
} product;

int cublasLtCreate(void **handle) {
  static int only;
  *handle = &only;
  return SUCCESS;
}

int cublasLtDestroy(void *handle) { return SUCCESS; }

int cublasLtMatrixLayoutCreate(layout **out, int type, uint64_t rows, uint64_t columns, int64_t stride) {
  *out = malloc(sizeof(layout));
  **out = (layout){type, rows, columns, 1};
  return SUCCESS;
}

int cublasLtMatrixLayoutDestroy(layout *l) {
  free(l);
  return SUCCESS;
}

int cublasLtMatrixLayoutSetAttribute(layout *l, int attribute, const void *value, size_t bytes) {
  if (attribute == LAYOUT_BATCH_COUNT) l->count = *(const int *)value;
  return SUCCESS;
}

int cublasLtMatmulDescCreate(product **out, int compute, int scale_type) {
  *out = calloc(1, sizeof(product));
  return SUCCESS;
}

int cublasLtMatmulDescDestroy(product *p) {
  free(p);
  return SUCCESS;
}

int cublasLtMatmulDescSetAttribute(product *p, int attribute, const void *value, size_t bytes) {
  if (attribute == PRODUCT_TRANSPOSES_A) p->transposes_a = *(const int *)value;
  return SUCCESS;
}

int cublasLtMatmulPreferenceCreate(void **out) {
  *out = malloc(1);
  return SUCCESS;
}

int cublasLtMatmulPreferenceDestroy(void *preference) {
  free(preference);
  return SUCCESS;
}

int cublasLtMatmulPreferenceSetAttribute(void *preference, int attribute, const void *value, size_t bytes) {
  return SUCCESS;
}

int cublasLtMatmulAlgoInit(void *handle, int compute, int scale, int a, int b, int c, int d, int id,
                           void *out) {
  memset(out, 0, ALGORITHM_BYTES);
  return SUCCESS;
}

int cublasLtMatmulAlgoConfigSetAttribute(void *algorithm, int attribute, const void *value, size_t bytes) {
  return SUCCESS;
}

/* One algorithm, which needs no workspace. */
int cublasLtMatmulAlgoGetHeuristic(void *handle, product *p, layout *a, layout *b, layout *c, layout *d,
                                   void *preference, int requested, void *out, int *found) {
  *found = requested > 0;
  if (requested > 0) memset(out, 0, HEURISTIC_BYTES);
  return SUCCESS;
}

int cublasLtMatmul(void *handle, const product *p, const void *alpha, const void *a, const layout *layout_a,
                   const void *b, const layout *layout_b, const void *beta, const void *c,
                   const layout *layout_c, void *d, const layout *layout_d, const void *algorithm,
                   void *workspace, size_t workspace_bytes, stream *s) {
  uint64_t inner = p->transposes_a ? layout_a->rows : layout_a->columns;
  standin_product(s, layout_a->type, (double)layout_d->rows, (double)layout_d->columns, (double)inner,
                  layout_d->count);
  return SUCCESS;
}

int cublasLtMatrixTransformDescCreate(void **out, int type) {
  *out = malloc(1);
  return SUCCESS;
}

int cublasLtMatrixTransformDescDestroy(void *description) {
  free(description);
  return SUCCESS;
}

int cublasLtMatrixTransform(void *handle, void *description, const void *alpha, const void *a,
                            const layout *layout_a, const void *beta, const void *b, const layout *layout_b,
                            void *c, const layout *layout_c, stream *s) {
  standin_count("kernel", "cublasLtMatrixTransform", 0);
  standin_add_work(s, KERNEL, 0);
  return SUCCESS;
}
