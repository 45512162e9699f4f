/* Times the training step: `train-bench BATCH THREADS SECONDS` prints seconds a
 * step, the share of SGEMM's measured speed, and nothing else. Driven by
 * bench/train. */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "math/blas.h"
#include "train/optimiser.h"
#include "train/step.h"

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* One thread's SGEMM at the size of the step's products. */
static caface_status gemm_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    enum { R = 1024, K = 512, J = 512 };
    float *x = NULL;
    float *y = NULL;
    caface_status st;

    (void)index;
    (void)worker;
    cafi_blas_single_thread();
    if ((st = cafi_alloc_f32(&x, R, K, err)) || (st = cafi_alloc_f32(&y, R, J, err)))
        return st;
    memset(x, 0, R * K * sizeof *x);
    for (int i = 0; i < *(int *)ctx; i++)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, R, J, K, 1.0f, x, K, x, K, 0.0f, y, J);
    free(x);
    free(y);
    return CAFACE_OK;
}

static double gemm_gflops(cafi_pool *pool, caface_error *err)
{
    int times = 200;
    size_t threads = cafi_pool_size(pool);
    double best = 1e9;

    for (int i = 0; i < 3; i++) {
        double start = seconds();
        if (cafi_pool_run(pool, threads, gemm_task, &times, err))
            return 0.0;
        if (seconds() - start < best)
            best = seconds() - start;
    }
    return (double)threads * times * 2.0 * 1024 * 512 * 512 / best / 1e9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Median seconds of a step. */
static caface_status time_steps(size_t B, cafi_pool *pool, double budget, double *out,
                                caface_error *err)
{
    cafi_train_dims dims;
    cafi_params params = {0};
    cafi_buffers buffers = {0};
    cafi_optimiser optimiser = {0};
    cafi_optimiser_config adamw = cafi_optimiser_defaults();
    cafi_step *step = NULL;
    cafi_step_result result;
    float *weights = NULL, *grad = NULL, *features = NULL, *styles = NULL, *centres = NULL;
    const float **targets = NULL;
    cafi_rng rng = {7};
    double times[256];
    size_t n = 0;
    caface_status st;

    if ((st = cafi_train_dims_make(&dims, 512, 384, 4, 2, 512, err)) ||
        (st = cafi_params_new(&params, &dims, err)) ||
        (st = cafi_buffers_new(&buffers, &dims, err)) ||
        (st = cafi_optimiser_new(&optimiser, &adamw, params.total, err)) ||
        (st = cafi_alloc_f32(&weights, 1, params.total, err)) ||
        (st = cafi_alloc_f32(&grad, 1, params.total, err)) ||
        (st = cafi_alloc_f32(&features, B * 32, 512, err)) ||
        (st = cafi_alloc_f32(&styles, B * 32, 768, err)) ||
        (st = cafi_alloc_f32(&centres, B, 512, err)) ||
        (st = cafi_alloc((void **)&targets, B, sizeof *targets, err)) ||
        (st = cafi_params_init(&params, weights, 1, err)))
        goto done;
    cafi_net_config config = {.dims = dims,
                              .T = 16,
                              .drop = 0.1,
                              .lambda_centre = 1.0,
                              .lambda_memory = 1.0,
                              .memory_over_batch = true};
    for (size_t i = 0; i < B * 32 * 512; i++)
        features[i] = (float)cafi_rng_normal(&rng);
    for (size_t i = 0; i < B * 32 * 768; i++)
        styles[i] = (float)cafi_rng_normal(&rng);
    for (size_t i = 0; i < B * 512; i++)
        centres[i] = (float)cafi_rng_normal(&rng);
    for (size_t i = 0; i < B; i++)
        targets[i] = centres + i * 512;
    if ((st = cafi_step_new(&step, &params, &config, B, pool, err)))
        goto done;
    for (double start = seconds(); n < 3 || (n < 256 && seconds() - start < budget); n++) {
        cafi_step_batch batch = {.B = B,
                                 .total = B,
                                 .seed = 1,
                                 .step = n,
                                 .features = features,
                                 .styles = styles,
                                 .targets = targets};
        double begin = seconds();

        memset(grad, 0, params.total * sizeof *grad);
        if ((st = cafi_step_run(step, weights, grad, &buffers, &batch, &result, err)))
            goto done;
        cafi_optimiser_update(&optimiser, weights, grad, 1e-3);
        times[n] = seconds() - begin;
    }
    qsort(times, n, sizeof *times, compare);
    *out = times[n / 2];
done:
    cafi_step_free(step);
    cafi_params_free(&params);
    cafi_buffers_free(&buffers);
    cafi_optimiser_free(&optimiser);
    free(weights);
    free(grad);
    free(features);
    free(styles);
    free(centres);
    free(targets);
    return st;
}

int main(int argc, char **argv)
{
    cafi_pool *pool = NULL;
    caface_error err;
    double step = 0.0;
    double peak;

    if (argc != 4) {
        fprintf(stderr, "usage: train-bench BATCH THREADS SECONDS\n");
        return 2;
    }
    if (cafi_pool_new(&pool, strtoul(argv[2], NULL, 10), &err) ||
        time_steps(strtoul(argv[1], NULL, 10), pool, strtod(argv[3], NULL), &step, &err)) {
        fprintf(stderr, "train-bench: %s\n", err.message);
        return 1;
    }
    peak = gemm_gflops(pool, &err);
    printf("%.6f %.1f\n", step, peak);
    cafi_pool_free(pool);
    return 0;
}
