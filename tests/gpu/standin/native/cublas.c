/*
 * cuBLAS. A handle has a stream and a math mode; pointers to operands are ignored. The order of parameters
 * is that of cublas_v2.h.
 */
#include "products.h"
#include "standin.h"

#include <stdlib.h>

typedef struct {
  stream *s;
  int math_mode;
} handle;

/* Values of cudaDataType. */
enum { FLOAT32 = 0, FLOAT64 = 1 };

int cublasCreate_v2(handle **out) {
  standin_count("handle", "of cuBLAS", 0);
  *out = calloc(1, sizeof(handle));
  return SUCCESS;
}

int cublasDestroy_v2(handle *h) {
  free(h);
  return SUCCESS;
}

int cublasSetStream_v2(handle *h, stream *s) {
  h->s = s;
  return SUCCESS;
}

int cublasSetMathMode(handle *h, int mode) {
  h->math_mode = mode;
  return SUCCESS;
}

int cublasGetMathMode(handle *h, int *mode) {
  *mode = h->math_mode;
  return SUCCESS;
}

const char *cublasGetStatusName(int status) {
  return status ? "CUBLAS_STATUS_ERROR" : "CUBLAS_STATUS_SUCCESS";
}
const char *cublasGetStatusString(int status) { return status ? "error" : "success"; }

#pragma GCC diagnostic ignored "-Wunused-parameter"

typedef const void *operand;

int cublasGemmEx(handle *h, int trans_a, int trans_b, int m, int n, int k, operand alpha, operand a, int type,
                 int lda, operand b, int type_b, int ldb, operand beta, void *c, int type_c, int ldc,
                 int compute, int algorithm) {
  standin_product(h->s, type, m, n, k, 1);
  return SUCCESS;
}

int cublasGemmStridedBatchedEx(handle *h, int trans_a, int trans_b, int m, int n, int k, operand alpha,
                               operand a, int type, int lda, long long stride_a, operand b, int type_b,
                               int ldb, long long stride_b, operand beta, void *c, int type_c, int ldc,
                               long long stride_c, int count, int compute, int algorithm) {
  standin_product(h->s, type, m, n, k, count);
  return SUCCESS;
}

int cublasGemmBatchedEx(handle *h, int trans_a, int trans_b, int m, int n, int k, operand alpha, operand a,
                        int type, int lda, operand b, int type_b, int ldb, operand beta, void *c, int type_c,
                        int ldc, int count, int compute, int algorithm) {
  standin_product(h->s, type, m, n, k, count);
  return SUCCESS;
}

/* The products of one type: cublas_gemm_v2, and its batches by pointers and by strides. */
#define PRODUCTS(LETTER, TYPE)                                                                               \
  int cublas##LETTER##gemm_v2(handle *h, int trans_a, int trans_b, int m, int n, int k, operand alpha,       \
                              operand a, int lda, operand b, int ldb, operand beta, void *c, int ldc) {      \
    standin_product(h->s, TYPE, m, n, k, 1);                                                                 \
    return SUCCESS;                                                                                          \
  }                                                                                                          \
  int cublas##LETTER##gemmBatched(handle *h, int trans_a, int trans_b, int m, int n, int k, operand alpha,   \
                                  operand a, int lda, operand b, int ldb, operand beta, void *c, int ldc,    \
                                  int count) {                                                               \
    standin_product(h->s, TYPE, m, n, k, count);                                                             \
    return SUCCESS;                                                                                          \
  }                                                                                                          \
  int cublas##LETTER##gemmStridedBatched(handle *h, int trans_a, int trans_b, int m, int n, int k,           \
                                         operand alpha, operand a, int lda, long long stride_a, operand b,   \
                                         int ldb, long long stride_b, operand beta, void *c, int ldc,        \
                                         long long stride_c, int count) {                                    \
    standin_product(h->s, TYPE, m, n, k, count);                                                             \
    return SUCCESS;                                                                                          \
  }

PRODUCTS(S, FLOAT32)
PRODUCTS(D, FLOAT64)

/* Functions that are no products, each a kernel. */
#define KERNEL_FUNCTION(NAME)            \
  int NAME(handle *h) {                  \
    standin_count("kernel", #NAME, 0);   \
    standin_add_work(h->s, KERNEL, 0);   \
    return SUCCESS;                      \
  }

KERNEL_FUNCTION(cublasScopy_v2)
KERNEL_FUNCTION(cublasDcopy_v2)
KERNEL_FUNCTION(cublasSgeam)
KERNEL_FUNCTION(cublasDgeam)
KERNEL_FUNCTION(cublasSscal_v2)
KERNEL_FUNCTION(cublasSgetrfBatched)
KERNEL_FUNCTION(cublasDgetrfBatched)
KERNEL_FUNCTION(cublasSgetriBatched)
KERNEL_FUNCTION(cublasDgetriBatched)
