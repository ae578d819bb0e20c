/* Matrix products, as cuBLAS and cuBLASLt report them to the ledger. */
#ifndef PRODUCTS_H
#define PRODUCTS_H

#include "standin.h"

/*
 * Counts `count` products of an m × k by a k × n matrix on a stream: 2·m·n·k FLOPs each. `type` is the
 * cudaDataType of the operands.
 */
void standin_product(stream *s, int type, double m, double n, double k, double count);

#endif
