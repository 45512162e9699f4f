/* CBLAS keeps to one thread: parallelism is ours, over sets, chunks and rows. */
#ifndef CAFI_MATH_BLAS_H
#define CAFI_MATH_BLAS_H

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

#endif
