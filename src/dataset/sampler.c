#include "dataset/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "dataset/class_rest.h"

/* Streams of one seed. */
enum { STREAM_ORDER = 1, STREAM_SAMPLE = 2 };

#define MAX_T 256

struct cafi_sampler {
    const cafi_store *store;
    cafi_store_info info;
    size_t T, groups;
    uint64_t seed, epoch;
    cafi_pool *pool;
    size_t *order;  /* [images] */
    cafi_buf *bufs; /* one a worker */
    size_t workers;
    /* of the fill at hand */
    size_t first;
    float *features, *styles;
    const double *sums;
    const float *centres;
    float *targets;
};

caface_status cafi_sampler_new(cafi_sampler **out, const cafi_store *store, size_t T, size_t groups,
                               uint64_t seed, cafi_pool *pool, caface_error *err)
{
    cafi_sampler *s = NULL;
    caface_status st;

    *out = NULL;
    if (T < 3 || T > MAX_T)
        return cafi_fail(err, CAFACE_EINVAL, "groups of %zu rows: must be 3 to %d", T, MAX_T);
    if ((st = CAFI_NEW(&s, 1, err)))
        return st;
    s->store = store;
    s->info = cafi_store_get_info(store);
    s->T = T;
    s->groups = groups;
    s->seed = seed;
    s->pool = pool;
    s->workers = pool ? cafi_pool_size(pool) : 1;
    if ((st = CAFI_NEW(&s->order, s->info.images, err)) ||
        (st = CAFI_NEW(&s->bufs, s->workers, err))) {
        cafi_sampler_free(s);
        return st;
    }
    cafi_sampler_epoch(s, 0);
    *out = s;
    return CAFACE_OK;
}

void cafi_sampler_free(cafi_sampler *sampler)
{
    if (!sampler)
        return;
    for (size_t i = 0; sampler->bufs && i < sampler->workers; i++)
        cafi_buf_free(&sampler->bufs[i]);
    free(sampler->bufs);
    free(sampler->order);
    free(sampler);
}

void cafi_sampler_epoch(cafi_sampler *sampler, uint64_t epoch)
{
    cafi_rng rng = cafi_rng_at(sampler->seed, STREAM_ORDER, epoch, 0);

    sampler->epoch = epoch;
    for (size_t i = 0; i < sampler->info.images; i++)
        sampler->order[i] = i;
    for (size_t i = sampler->info.images; i > 1; i--) {
        size_t k = (size_t)cafi_rng_below(&rng, i);
        size_t keep = sampler->order[i - 1];

        sampler->order[i - 1] = sampler->order[k];
        sampler->order[k] = keep;
    }
}

size_t cafi_sampler_class(const cafi_sampler *sampler, size_t place)
{
    return cafi_store_class(sampler->store, sampler->order[place]);
}

/* Cuts T at n - 1 distinct points of 1..T-2: cut[i] is where piece i ends. */
static void cut_group(cafi_rng *rng, size_t T, size_t n, bool *ends)
{
    memset(ends, 0, T * sizeof *ends);
    while (n > 1) {
        size_t point = 1 + (size_t)cafi_rng_below(rng, T - 2);

        if (!ends[point]) {
            ends[point] = true;
            n--;
        }
    }
}

void cafi_sampler_rows(const cafi_sampler *sampler, size_t place, size_t (*rows)[2])
{
    size_t T = sampler->T;
    size_t R = sampler->groups * T;
    size_t images[2 * MAX_T];
    size_t most = T / 4 > 3 ? T / 4 : 3;
    size_t count;
    size_t own = sampler->order[place];
    const size_t *members =
        cafi_store_class_images(sampler->store, cafi_store_class(sampler->store, own), &count);
    cafi_rng rng = cafi_rng_at(sampler->seed, STREAM_SAMPLE, sampler->epoch, place);

    images[0] = own;
    for (size_t i = 1; i < R; i++)
        images[i] = members[cafi_rng_below(&rng, count)];
    for (size_t g = 0; g < sampler->groups; g++) {
        bool ends[MAX_T];
        size_t n = 1 + (size_t)cafi_rng_below(&rng, most - 1);
        size_t image = images[cafi_rng_below(&rng, R)];

        cut_group(&rng, T, n, ends);
        for (size_t r = 0; r < T; r++) {
            if (ends[r])
                image = images[cafi_rng_below(&rng, R)];
            rows[g * T + r][0] = image;
            rows[g * T + r][1] = (size_t)cafi_rng_below(&rng, sampler->info.variants);
        }
    }
}

static caface_status fill_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    cafi_sampler *s = ctx;
    size_t rows[2 * MAX_T][2];
    size_t R = s->groups * s->T;
    caface_status st = CAFACE_OK;

    cafi_sampler_rows(s, s->first + index, rows);
    for (size_t r = 0; r < R && !st; r++) {
        size_t at = index * R + r;

        st = cafi_store_row(s->store, rows[r][0], rows[r][1], &s->bufs[worker],
                            s->features + at * s->info.C, s->styles + at * s->info.S * 2, err);
    }
    return st;
}

caface_status cafi_sampler_fill(cafi_sampler *sampler, size_t first, size_t n, float *features,
                                float *styles, caface_error *err)
{
    sampler->first = first;
    sampler->features = features;
    sampler->styles = styles;
    return cafi_pool_run(sampler->pool, n, fill_task, sampler, err);
}

/* The different images among rows; returns how many. */
static size_t different_images(size_t (*rows)[2], size_t R, size_t *images)
{
    size_t n = 0;

    for (size_t r = 0; r < R; r++) {
        size_t i = 0;

        while (i < n && images[i] != rows[r][0])
            i++;
        if (i == n)
            images[n++] = rows[r][0];
    }
    return n;
}

static caface_status rest_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    cafi_sampler *s = ctx;
    size_t C = s->info.C;
    size_t own = cafi_sampler_class(s, s->first + index);
    size_t rows[2 * MAX_T][2];
    size_t images[2 * MAX_T];
    const float *shown[2 * MAX_T];
    size_t count = 0;
    size_t n;
    float *clean = NULL;
    double *rest = NULL;
    float *style;
    float *target = s->targets + index * C;
    caface_status st;

    (void)worker;
    cafi_sampler_rows(s, s->first + index, rows);
    n = different_images(rows, s->groups * s->T, images);
    (void)cafi_store_class_images(s->store, own, &count);
    if ((st = cafi_alloc_f32(&clean, 1, n * C + 2 * s->info.S, err)) ||
        (st = CAFI_NEW(&rest, C, err))) {
        free(clean);
        return st;
    }
    style = clean + n * C;
    for (size_t i = 0; i < n && !st; i++) {
        shown[i] = clean + i * C;
        st = cafi_store_clean(s->store, images[i], clean + i * C, style, err);
        cafi_direction(clean + i * C, C);
    }
    if (!st && !cafi_class_rest(target, s->sums + own * C, count, shown, n, C, rest))
        memcpy(target, s->centres + own * C, C * sizeof *target);
    free(clean);
    free(rest);
    return st;
}

caface_status cafi_sampler_rest(cafi_sampler *sampler, size_t first, size_t n, const double *sums,
                                const float *centres, float *targets, caface_error *err)
{
    sampler->first = first;
    sampler->sums = sums;
    sampler->centres = centres;
    sampler->targets = targets;
    return cafi_pool_run(sampler->pool, n, rest_task, sampler, err);
}
