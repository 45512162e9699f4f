/* Products of matrices by kernels of our own: what transformers are made of, whose
 * rows are tokens. Sums are in float, over K in parts of CAFI_MATMUL_DEPTH; a row of
 * the result has the same bits whatever rows are computed with it. */
#ifndef CAFI_GRAPH_MATMUL_H
#define CAFI_GRAPH_MATMUL_H

#include <stddef.h>

#include "files/tensor.h"

#define CAFI_MATMUL_DEPTH 256

/* c [...][I][J] = a [...][I][K] b [...][K][J], each row-major. Matrix m of c is that
 * of the index m has in the extents in front, whose steps in a and b are 0 where they
 * are broadcast. No overlap. */
typedef struct cafi_matmul_args {
    const float *a, *b;
    float *c;
    size_t rows, depth, columns; /* I, K, J */
    int ndim;                    /* extents in front */
    size_t extent[CAFI_MAX_DIMS], a_step[CAFI_MAX_DIMS], b_step[CAFI_MAX_DIMS];
    size_t first, last; /* rows of c to compute, counted through all matrices */
} cafi_matmul_args;

typedef void cafi_matmul_kernel(const cafi_matmul_args *args);

/* For this processor (base/cpu.h); NULL: it has none. Any thread. */
cafi_matmul_kernel *cafi_matmul_get(void);

/* Where matrix m begins in an input with these steps. */
size_t cafi_matmul_at(const cafi_matmul_args *args, const size_t *step, size_t m);
/* Rows of c in all. */
size_t cafi_matmul_rows(const cafi_matmul_args *args);

#if defined(__x86_64__)
cafi_matmul_kernel cafi_matmul_avx2, cafi_matmul_avx512;
#elif defined(__aarch64__)
cafi_matmul_kernel cafi_matmul_neon;
#endif

#endif
