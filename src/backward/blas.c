#define _GNU_SOURCE
#include "backward/blas.h"

#include <cblas.h>
#include <dlfcn.h>
#include <string.h>

/* A function pointer from dlsym, without the cast that ISO C forbids. */
static int find(const char *name, void *function_pointer, size_t size)
{
    void *address = dlsym(RTLD_DEFAULT, name);

    if (!address || size != sizeof address)
        return 0;
    memcpy(function_pointer, &address, sizeof address);
    return 1;
}

const char *cafi_blas_library(void)
{
    const char *(*get_config)(void) = NULL;

    return find("openblas_get_config", &get_config, sizeof get_config) ? get_config() : NULL;
}

void cafi_blas_single_thread(void)
{
    static _Thread_local int done;
    int (*get_parallel)(void) = NULL;
    void (*set_threads)(int) = NULL;

    if (done)
        return;
    done = 1;
    if (!find("openblas_get_parallel", &get_parallel, sizeof get_parallel))
        return;
    switch (get_parallel()) {
    case 1:
        if (find("openblas_set_num_threads", &set_threads, sizeof set_threads))
            set_threads(1);
        break;
    case 2:
        if (find("omp_set_num_threads", &set_threads, sizeof set_threads))
            set_threads(1);
        break;
    default:
        break;
    }
}

void cafi_blas_gemm(bool turn_a, bool turn_b, size_t R, size_t J, size_t K, float alpha,
                    const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                    size_t ldc)
{
    cblas_sgemm(CblasRowMajor, turn_a ? CblasTrans : CblasNoTrans,
                turn_b ? CblasTrans : CblasNoTrans, (int)R, (int)J, (int)K, alpha, a, (int)lda, b,
                (int)ldb, beta, c, (int)ldc);
}

void cafi_blas_axpy(size_t n, float alpha, const float *x, float *y)
{
    cblas_saxpy((int)n, alpha, x, 1, y, 1);
}

float cafi_blas_dot(size_t n, const float *x, const float *y)
{
    return cblas_sdot((int)n, x, 1, y, 1);
}

void cafi_blas_scale(size_t n, float alpha, float *x)
{
    cblas_sscal((int)n, alpha, x, 1);
}
