/* Times the training step. `train-bench BATCH THREADS SECONDS` prints the median
 * seconds of a step and SGEMM's GFLOP/s on the same threads; `train-bench FOLDER`
 * writes a small batch, the model, its gradients, and prints both losses, for the
 * comparison with PyTorch. Driven by bench/train. */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "files/npy.h"
#include "backward/blas.h"
#include "train/model_file.h"
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

/* Everything a step needs, with random features. */
typedef struct world {
    cafi_train_dims dims;
    cafi_params params;
    cafi_buffers buffers;
    cafi_optimiser optimiser;
    cafi_net_config config;
    cafi_step *step;
    float *weights, *grad, *features, *styles, *centres;
    const float **targets;
} world;

static void close_world(world *w)
{
    cafi_step_free(w->step);
    cafi_params_free(&w->params);
    cafi_buffers_free(&w->buffers);
    cafi_optimiser_free(&w->optimiser);
    free(w->weights);
    free(w->grad);
    free(w->features);
    free(w->styles);
    free(w->centres);
    free(w->targets);
}

static void fill_normal(float *p, size_t n, cafi_rng *rng)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (float)cafi_rng_normal(rng);
}

static caface_status open_world(world *w, size_t B, double drop, cafi_pool *pool, caface_error *err)
{
    cafi_optimiser_config adamw = cafi_optimiser_defaults();
    cafi_rng rng = {7};
    caface_status st;

    if ((st = cafi_train_dims_make(&w->dims, 512, 384, 4, 2, 512, err)) ||
        (st = cafi_params_new(&w->params, &w->dims, err)) ||
        (st = cafi_buffers_new(&w->buffers, &w->dims, err)) ||
        (st = cafi_optimiser_new(&w->optimiser, &adamw, w->params.total, err)) ||
        (st = cafi_alloc_f32(&w->weights, 1, w->params.total, err)) ||
        (st = cafi_alloc_f32(&w->grad, 1, w->params.total, err)) ||
        (st = cafi_alloc_f32(&w->features, B * 32, 512, err)) ||
        (st = cafi_alloc_f32(&w->styles, B * 32, 768, err)) ||
        (st = cafi_alloc_f32(&w->centres, B, 512, err)) || (st = CAFI_NEW(&w->targets, B, err)) ||
        (st = cafi_params_init(&w->params, w->weights, 1, err)))
        return st;
    w->config = (cafi_net_config){.dims = w->dims,
                                  .T = 16,
                                  .drop = drop,
                                  .lambda_centre = 1.0,
                                  .lambda_memory = 1.0,
                                  .memory_divisor = (double)B};
    fill_normal(w->features, B * 32 * 512, &rng);
    fill_normal(w->styles, B * 32 * 768, &rng);
    fill_normal(w->centres, B * 512, &rng);
    for (size_t i = 0; i < B; i++)
        w->targets[i] = w->centres + i * 512;
    return cafi_step_new(&w->step, &w->params, &w->config, B, pool, err);
}

static caface_status run_step(world *w, size_t B, size_t number, cafi_step_result *result,
                              caface_error *err)
{
    cafi_step_batch batch = {.B = B,
                             .total = B,
                             .seed = 1,
                             .step = number,
                             .features = w->features,
                             .styles = w->styles,
                             .targets = w->targets};

    memset(w->grad, 0, w->params.total * sizeof *w->grad);
    return cafi_step_run(w->step, w->weights, w->grad, &w->buffers, &batch, result, err);
}

/* Median seconds of a step and its update. */
static caface_status time_steps(size_t B, cafi_pool *pool, double budget, double *out,
                                caface_error *err)
{
    world w = {0};
    cafi_step_result result;
    double times[256];
    size_t n = 0;
    caface_status st = open_world(&w, B, 0.1, pool, err);

    if (!st) /* to warm up */
        st = run_step(&w, B, 0, &result, err);
    for (double start = seconds(); !st && (n < 2 || (n < 256 && seconds() - start < budget)); n++) {
        double begin = seconds();

        if (!(st = run_step(&w, B, n + 1, &result, err)))
            cafi_optimiser_update(&w.optimiser, w.weights, w.grad, 1e-3);
        times[n] = seconds() - begin;
    }
    qsort(times, n, sizeof *times, compare);
    *out = n ? (times[n / 2] + times[(n - 1) / 2]) / 2.0 : 0.0;
    close_world(&w);
    return st;
}

static caface_status save_npy(const char *folder, const char *file, int ndim, const size_t *shape,
                              const float *data, caface_error *err)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", folder, file);
    return cafi_npy_save(path, CAFI_F32, ndim, shape, data, err);
}

/* A batch of 6 without stochastic depth, and what comes of it. */
static caface_status write_comparison(const char *folder, caface_error *err)
{
    enum { B = 6 };
    world w = {0};
    cafi_step_result result = {0};
    char path[4096];
    size_t fshape[] = {B, 32, 512};
    size_t sshape[] = {B, 32, 384, 2};
    size_t cshape[] = {B, 512};
    cafi_rng rng = {11};
    caface_status st = open_world(&w, B, 0.0, NULL, err);

    for (size_t i = 0; !st && i < 2 * w.dims.S; i++)
        w.weights[i] =
            0.3f * (float)cafi_rng_normal(&rng); /* cfc comes first; 0 hides the styles */
    if (!st && !(st = save_npy(folder, "features.npy", 3, fshape, w.features, err)) &&
        !(st = save_npy(folder, "styles.npy", 4, sshape, w.styles, err)) &&
        !(st = save_npy(folder, "centres.npy", 2, cshape, w.centres, err))) {
        snprintf(path, sizeof path, "%s/model.safetensors", folder);
        st = cafi_model_file_save(path, &w.params, w.weights, &w.buffers, (cafi_origin){0}, err);
    }
    if (!st && !(st = run_step(&w, B, 0, &result, err))) {
        snprintf(path, sizeof path, "%s/gradients.safetensors", folder);
        st = cafi_model_file_save(path, &w.params, w.grad, &w.buffers, (cafi_origin){0}, err);
    }
    printf("%.9g %.9g\n", result.centre, result.memory);
    close_world(&w);
    return st;
}

int main(int argc, char **argv)
{
    cafi_pool *pool = NULL;
    caface_error err;
    double step = 0.0;
    caface_status st;

    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: train-bench BATCH THREADS SECONDS | train-bench FOLDER\n");
        return 2;
    }
    if (argc == 2)
        st = write_comparison(argv[1], &err);
    else if (!(st = cafi_pool_new(&pool, strtoul(argv[2], NULL, 10), &err)) &&
             !(st = time_steps(strtoul(argv[1], NULL, 10), pool, strtod(argv[3], NULL), &step,
                               &err)))
        printf("%.6f %.1f\n", step, gemm_gflops(pool, &err));
    cafi_pool_free(pool);
    if (st)
        fprintf(stderr, "train-bench: %s\n", err.message);
    return st ? 1 : 0;
}
