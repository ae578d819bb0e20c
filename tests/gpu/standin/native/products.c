/* Matrix products: counted by the type of their operands, and by shape. */
#include "products.h"

#include <stdio.h>

/* The name of a cudaDataType. */
static const char *type_name(int type) {
  switch (type) {
    case 0: return "float32";
    case 1: return "float64";
    case 2: return "float16";
    case 3: return "int8";
    case 14: return "bfloat16";
    default: return "of another type";
  }
}

void standin_product(stream *s, int type, double m, double n, double k, double count) {
  double flops = 2 * m * n * k * count;
  char shape[128];
  snprintf(shape, sizeof shape, "%s %g x %g x %g, %g times", type_name(type), m, n, k, count);
  standin_count("product", type_name(type), flops);
  standin_count("shape", shape, flops);
  standin_add_work(s, KERNEL, 0);
}
