/* Times the training step of a restoring fusion. `restore-bench SIZE THREADS SECONDS` prints
 * the median seconds of a step of 1,024 faces in sets of SIZE with its update; `restore-bench
 * FOLDER` writes a few sets, the model, its gradients, and prints the losses, for the comparison
 * with PyTorch. Driven by bench/restore. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "files/npy.h"
#include "train/optimiser.h"
#include "train/restore_file.h"
#include "train/restore_step.h"

enum { C = 128, S = 192, ROWS = 1024, CLASSES = 759 };

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Everything a step needs, with random features. */
typedef struct world {
    cafi_restore_params params;
    cafi_restore_net_config config;
    cafi_restore_stats stats;
    cafi_restore_step *step;
    cafi_optimiser optimiser;
    cafi_restore_batch batch;
    float *weights, *grad, *features, *styles, *shown, *targets, *centres;
    unsigned char other[ROWS];
    size_t first[ROWS + 1], own[ROWS];
} world;

static void close_world(world *w)
{
    cafi_restore_step_free(w->step);
    cafi_restore_params_free(&w->params);
    cafi_optimiser_free(&w->optimiser);
    free(w->stats.sm);
    free(w->stats.ss);
    free(w->weights);
    free(w->grad);
    free(w->features);
    free(w->styles);
    free(w->shown);
    free(w->targets);
    free(w->centres);
}

static caface_status normal(float **out, size_t rows, size_t width, bool unit, cafi_rng *rng,
                            caface_error *err)
{
    caface_status st = cafi_alloc_f32(out, rows, width, err);

    for (size_t r = 0; !st && r < rows; r++) {
        double square = 0;

        for (size_t i = 0; i < width; i++) {
            (*out)[r * width + i] = (float)cafi_rng_normal(rng);
            square += (double)(*out)[r * width + i] * (double)(*out)[r * width + i];
        }
        for (size_t i = 0; unit && i < width; i++)
            (*out)[r * width + i] /= (float)sqrt(square);
    }
    return st;
}

static caface_status open_world(world *w, size_t size, double dropout, cafi_pool *pool,
                                caface_error *err)
{
    cafi_optimiser_config adamw = cafi_optimiser_defaults();
    cafi_restore_dims d;
    cafi_rng rng = {7};
    size_t sets = ROWS / size;
    caface_status st;

    *w = (world){0};
    if ((st = cafi_restore_dims_make(&d, CAFI_RESTORE_EXCHANGE, C, S, err)) ||
        (st = cafi_restore_params_new(&w->params, &d, err)) ||
        (st = cafi_optimiser_new(&w->optimiser, &adamw, w->params.total, err)) ||
        (st = normal(&w->stats.sm, 1, 2 * S, false, &rng, err)) ||
        (st = normal(&w->stats.ss, 1, 2 * S, false, &rng, err)) ||
        (st = normal(&w->features, ROWS, C, false, &rng, err)) ||
        (st = normal(&w->styles, ROWS, 2 * S, false, &rng, err)) ||
        (st = normal(&w->shown, ROWS, C, true, &rng, err)) ||
        (st = normal(&w->targets, ROWS, C, true, &rng, err)) ||
        (st = normal(&w->centres, CLASSES, C, true, &rng, err)) ||
        (st = cafi_alloc_f32(&w->grad, 1, w->params.total, err)) ||
        (st = cafi_alloc_f32(&w->weights, 1, w->params.total, err)))
        return st;
    cafi_restore_params_init(&w->params, w->weights, 1);
    for (size_t i = 0; i < w->params.decayed; i++) /* no tensor at rest at zero */
        w->weights[i] += 0.02f * (float)cafi_rng_normal(&rng);
    for (size_t i = 0; i < 2 * S; i++)
        w->stats.ss[i] = 1 + fabsf(w->stats.ss[i]);
    w->stats.nm = 2.4f;
    w->stats.ns = 0.2f;
    for (size_t s = 0; s <= sets; s++)
        w->first[s] = s * size;
    for (size_t s = 0; s < sets; s++)
        w->own[s] = s % CLASSES;
    for (size_t r = 0; r < ROWS; r++)
        w->other[r] = r % 11 == 3;
    w->config = (cafi_restore_net_config){
        .dims = d, .weights = {1, 0.3, 0.5, 0.3, 24, 0.1}, .dropout = dropout};
    w->batch = (cafi_restore_batch){.sets = sets,
                                    .rows = sets * size,
                                    .first = w->first,
                                    .total_sets = sets,
                                    .total_rows = sets * size,
                                    .seed = 1,
                                    .features = w->features,
                                    .styles = w->styles,
                                    .shown = w->shown,
                                    .other = w->other,
                                    .targets = w->targets,
                                    .own = w->own,
                                    .centres = w->centres,
                                    .classes = CLASSES};
    return cafi_restore_step_new(&w->step, &w->params, &w->config, ROWS, size, CLASSES, pool, err);
}

static caface_status run_step(world *w, double *losses, caface_error *err)
{
    memset(w->grad, 0, w->params.total * sizeof *w->grad);
    w->batch.step++;
    return cafi_restore_step_run(w->step, w->weights, w->grad, &w->stats, &w->batch, losses, err);
}

/* Median seconds of a step and its update. */
static caface_status time_steps(size_t size, cafi_pool *pool, double budget, double *out,
                                caface_error *err)
{
    world w;
    double losses[CAFI_RESTORE_LOSSES];
    static double times[4096];
    size_t n = 0;
    caface_status st = open_world(&w, size, 0.3, pool, err);

    if (!st) /* to warm up */
        st = run_step(&w, losses, err);
    for (double start = seconds(); !st && (n < 2 || (n < 4096 && seconds() - start < budget));
         n++) {
        double begin = seconds();

        if (!(st = run_step(&w, losses, err))) {
            (void)cafi_gradient_clip(w.grad, w.params.total, 5);
            cafi_optimiser_update(&w.optimiser, w.weights, w.grad, 1e-4);
        }
        times[n] = seconds() - begin;
    }
    qsort(times, n, sizeof *times, compare);
    *out = n ? times[n / 2] : 0;
    close_world(&w);
    return st;
}

static caface_status save(const char *folder, const char *name, size_t rows, size_t width,
                          const float *data, caface_error *err)
{
    const size_t shape[] = {rows, width};
    char path[4096];

    snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    return cafi_npy_save(path, CAFI_F32, 2, shape, data, err);
}

/* Sets of 16 without dropout, and what comes of them. */
static caface_status write_comparison(const char *folder, caface_error *err)
{
    world w;
    double losses[CAFI_RESTORE_LOSSES] = {0};
    char path[4096];
    caface_status st = open_world(&w, 16, 0, NULL, err);

    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    if (!st && !(st = save(folder, "features", ROWS, C, w.features, err)) &&
        !(st = save(folder, "styles", ROWS, 2 * S, w.styles, err)) &&
        !(st = save(folder, "shown", ROWS, C, w.shown, err)) &&
        !(st = save(folder, "targets", w.batch.sets, C, w.targets, err)) &&
        !(st = save(folder, "centres", CLASSES, C, w.centres, err)) &&
        !(st = cafi_restore_file_save(path, &w.params, w.weights, &w.stats, (cafi_origin){0}, err)))
        st = run_step(&w, losses, err);
    snprintf(path, sizeof path, "%s/gradients.safetensors", folder);
    if (!st)
        st = cafi_restore_file_save(path, &w.params, w.grad, &w.stats, (cafi_origin){0}, err);
    printf("%.9g %.9g %.9g %.9g\n", losses[0], losses[1], losses[2], losses[3]);
    close_world(&w);
    return st;
}

int main(int argc, char **argv)
{
    cafi_pool *pool = NULL;
    caface_error err;
    double step = 0;
    caface_status st;

    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: restore-bench SIZE THREADS SECONDS | restore-bench FOLDER\n");
        return 2;
    }
    if (argc == 2)
        st = write_comparison(argv[1], &err);
    else if (!(st = cafi_pool_new(&pool, strtoul(argv[2], NULL, 10), &err)) &&
             !(st = time_steps(strtoul(argv[1], NULL, 10), pool, strtod(argv[3], NULL), &step,
                               &err)))
        printf("%.6f\n", step);
    cafi_pool_free(pool);
    if (st)
        fprintf(stderr, "restore-bench: %s\n", err.message);
    return st ? 1 : 0;
}
