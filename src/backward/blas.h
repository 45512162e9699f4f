/* CBLAS, for training alone: the only room that calls it. It keeps to one thread:
 * parallelism is ours, over samples. */
#ifndef CAFI_BACKWARD_BLAS_H
#define CAFI_BACKWARD_BLAS_H

#include <stdbool.h>
#include <stddef.h>

/* OpenBLAS's description of itself, with the processor it has chosen; NULL for
 * another CBLAS. */
const char *cafi_blas_library(void);

/* Makes CBLAS calls of this thread run in this thread alone. Every thread that
 * is about to call CBLAS does this first; repeating it costs next to nothing.
 *
 * Debian offers OpenBLAS in three flavours under one name, so the flavour is
 * asked for when the program runs: openblas_get_parallel() is 0 for the
 * sequential one (nothing to do), 1 for its own pthreads
 * (openblas_set_num_threads(1), which holds for the process), 2 for OpenMP
 * (omp_set_num_threads(1), which holds for the calling thread alone: hence once
 * per thread). Another CBLAS is left as it is. */
void cafi_blas_single_thread(void);

/* c [R][J] = alpha * a b + beta * c, where a is [R][K], or [K][R] when turn_a, and b
 * [K][J], or [J][K] when turn_b; rows are lda, ldb and ldc floats apart. */
void cafi_blas_gemm(bool turn_a, bool turn_b, size_t R, size_t J, size_t K, float alpha,
                    const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                    size_t ldc);
/* y += alpha * x, of n floats. */
void cafi_blas_axpy(size_t n, float alpha, const float *x, float *y);
/* The sum of x[i] * y[i]. */
float cafi_blas_dot(size_t n, const float *x, const float *y);
/* x *= alpha. */
void cafi_blas_scale(size_t n, float alpha, float *x);

#endif
