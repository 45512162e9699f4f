#include "dataset/set_sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "dataset/centres.h"
#include "dataset/class_rest.h"

/* Streams of one seed. */
enum { STREAM_STEP = 11, STREAM_SET = 12 };

/* Variants that statistics are taken of at most; evenly spaced. */
#define MEASURED 65536

struct cafi_set_sampler {
    const cafi_store *store;
    cafi_store_info info;
    size_t rows;
    bool intruders;
    uint64_t seed;
    cafi_pool *pool;
    cafi_buf *bufs; /* one a worker */
    size_t workers;
    double *sums;    /* [classes][C] of unit clean features */
    float *centres;  /* [classes][C] */
    size_t *longest; /* [images] the variant with the longest feature */
    float *style_mean, *style_scale;
    float norm_mean, norm_scale;
    /* of the fill at hand */
    uint64_t step;
    size_t first, size;
    const cafi_set_batch *batch;
};

/* --- facts -------------------------------------------------------------------------- */

/* Every class's sum of unit clean features, and its centre. */
static caface_status measure_classes(cafi_set_sampler *s, caface_error *err)
{
    size_t C = s->info.C;
    caface_status st = cafi_class_sums(s->sums, s->store, err);

    if (st)
        return st;
    for (size_t k = 0; k < s->info.classes; k++)
        if (!cafi_center_finish(s->centres + k * C, s->sums + k * C, C))
            return cafi_fail(err, CAFACE_EFORMAT, "class %.100s: its clean features have no mean",
                             cafi_store_class_name(s->store, k));
    return CAFACE_OK;
}

/* The longest variant of each image, as a task. */
static caface_status longest_task(void *ctx, size_t image, size_t worker, caface_error *err)
{
    cafi_set_sampler *s = ctx;
    float *feature = NULL;
    double best = -1;
    caface_status st = cafi_alloc_f32(&feature, 1, s->info.C + 2 * s->info.S, err);

    for (size_t v = 0; v < s->info.variants && !st; v++) {
        double square = 0;

        st =
            cafi_store_row(s->store, image, v, &s->bufs[worker], feature, feature + s->info.C, err);
        for (size_t i = 0; i < s->info.C && !st; i++)
            square += (double)feature[i] * (double)feature[i];
        if (square > best) {
            best = square;
            s->longest[image] = v;
        }
    }
    free(feature);
    return st;
}

static size_t common_divisor(size_t a, size_t b)
{
    while (b) {
        size_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Mean and deviation of styles and log lengths. */
static caface_status measure_rows(cafi_set_sampler *s, float *feature, float *style,
                                  caface_error *err)
{
    size_t n = s->info.images * s->info.variants;
    size_t stride = n > MEASURED ? n / MEASURED : 1;
    size_t W = 2 * s->info.S + 1;
    size_t count = 0;
    double *sums = NULL;
    caface_status st = CAFI_NEW(&sums, 2 * W, err);

    while (common_divisor(stride, s->info.variants) > 1)
        stride++; /* else some variants are never met */
    for (size_t row = 0; row < n && !st; row += stride, count++) {
        double square = 0;

        st = cafi_store_row(s->store, row / s->info.variants, row % s->info.variants, &s->bufs[0],
                            feature, style, err);
        for (size_t i = 0; i < s->info.C && !st; i++)
            square += (double)feature[i] * (double)feature[i];
        for (size_t i = 0; i < W && !st; i++) {
            double v = i + 1 < W ? (double)style[i] : log(fmax(sqrt(square), 1e-5));

            sums[2 * i] += v;
            sums[2 * i + 1] += v * v;
        }
    }
    for (size_t i = 0; i < W && !st; i++) {
        double mean = sums[2 * i] / (double)count;
        float scale = (float)sqrt(fmax(sums[2 * i + 1] / (double)count - mean * mean, 1e-10));

        *(i + 1 < W ? &s->style_mean[i] : &s->norm_mean) = (float)mean;
        *(i + 1 < W ? &s->style_scale[i] : &s->norm_scale) = scale;
    }
    free(sums);
    return st;
}

static caface_status measure(cafi_set_sampler *s, caface_error *err)
{
    float *row = NULL;
    caface_status st = cafi_alloc_f32(&row, 1, s->info.C + 2 * s->info.S, err);

    if (!st && !(st = measure_classes(s, err)) &&
        !(st = measure_rows(s, row, row + s->info.C, err)) && s->intruders)
        st = cafi_pool_run(s->pool, s->info.images, longest_task, s, err);
    free(row);
    return st;
}

caface_status cafi_set_sampler_new(cafi_set_sampler **out, const cafi_store *store, size_t rows,
                                   bool intruders, uint64_t seed, cafi_pool *pool,
                                   caface_error *err)
{
    cafi_set_sampler *s = NULL;
    cafi_store_info info = cafi_store_get_info(store);
    caface_status st;

    *out = NULL;
    if (info.classes < 2 || rows < CAFI_SET_MOST)
        return cafi_fail(err, CAFACE_EINVAL,
                         "%zu classes and %zu faces a step: at least 2 and %d are needed",
                         info.classes, rows, CAFI_SET_MOST);
    if ((st = CAFI_NEW(&s, 1, err)))
        return st;
    s->store = store;
    s->info = info;
    s->rows = rows;
    s->intruders = intruders;
    s->seed = seed;
    s->pool = pool;
    s->workers = pool ? cafi_pool_size(pool) : 1;
    if ((st = CAFI_NEW(&s->bufs, s->workers, err)) ||
        (st = CAFI_NEW(&s->sums, info.classes * info.C, err)) ||
        (st = cafi_alloc_f32(&s->centres, info.classes, info.C, err)) ||
        (st = CAFI_NEW(&s->longest, info.images, err)) ||
        (st = cafi_alloc_f32(&s->style_mean, 1, 2 * info.S, err)) ||
        (st = cafi_alloc_f32(&s->style_scale, 1, 2 * info.S, err)) || (st = measure(s, err))) {
        cafi_set_sampler_free(s);
        return st;
    }
    *out = s;
    return CAFACE_OK;
}

void cafi_set_sampler_free(cafi_set_sampler *s)
{
    if (!s)
        return;
    for (size_t i = 0; s->bufs && i < s->workers; i++)
        cafi_buf_free(&s->bufs[i]);
    free(s->bufs);
    free(s->sums);
    free(s->centres);
    free(s->longest);
    free(s->style_mean);
    free(s->style_scale);
    free(s);
}

cafi_set_facts cafi_set_sampler_facts(const cafi_set_sampler *s)
{
    return (cafi_set_facts){s->style_mean, s->style_scale, s->norm_mean, s->norm_scale, s->centres};
}

/* --- choices ------------------------------------------------------------------------ */

void cafi_set_sampler_plan(const cafi_set_sampler *s, uint64_t step, size_t *sets, size_t *size,
                           size_t *chunk)
{
    static const size_t sizes[] = {2, 3, 4, 6, 8, 12, 16, 24, CAFI_SET_MOST};
    static const size_t chunks[] = {0, 0, 8, 4};
    cafi_rng rng = cafi_rng_at(s->seed, STREAM_STEP, step, 0);

    *size = sizes[cafi_rng_below(&rng, sizeof sizes / sizeof *sizes)];
    *chunk = chunks[cafi_rng_below(&rng, sizeof chunks / sizeof *chunks)];
    *sets = s->rows / *size;
}

/* Up to `want` different pictures of a class; returns how many. */
static size_t draw_pictures(const cafi_set_sampler *s, size_t class_number, size_t want,
                            size_t *pictures, cafi_rng *rng)
{
    size_t count = 0;
    const size_t *members = cafi_store_class_images(s->store, class_number, &count);
    size_t n = 0;

    while (n < want && n < count) {
        size_t image = members[cafi_rng_below(rng, count)];
        size_t i = 0;

        while (i < n && pictures[i] != image)
            i++;
        if (i == n)
            pictures[n++] = image;
    }
    return n;
}

static size_t another_class(const cafi_set_sampler *s, size_t own, cafi_rng *rng)
{
    size_t k = (size_t)cafi_rng_below(rng, s->info.classes - 1);

    return k + (k >= own);
}

/* Puts another's faces, or others', into a set. */
static void intrude(const cafi_set_sampler *s, size_t own, size_t size, cafi_set_face *faces,
                    cafi_rng *rng)
{
    size_t count = 1 + (size_t)cafi_rng_below(rng, size / 3);
    bool one = cafi_rng_unit(rng) < 0.8;
    bool sharp = cafi_rng_unit(rng) < 0.3;
    bool clean = !sharp && cafi_rng_unit(rng) < 0.15;
    size_t person = another_class(s, own, rng);
    size_t pictures[3];
    size_t n = draw_pictures(s, person, 1 + (size_t)cafi_rng_below(rng, 3), pictures, rng);

    for (size_t i = 0; i < count;) {
        cafi_set_face *face = &faces[cafi_rng_below(rng, size)];
        size_t variant = (size_t)cafi_rng_below(rng, s->info.variants);

        if (face->other)
            continue;
        if (!one)
            n = draw_pictures(s, another_class(s, own, rng), 1, pictures, rng);
        face->other = true;
        face->image = pictures[cafi_rng_below(rng, n)];
        face->variant = sharp ? s->longest[face->image] : clean ? s->info.variants : variant;
        i++;
    }
}

size_t cafi_set_sampler_faces(const cafi_set_sampler *s, uint64_t step, size_t set, size_t size,
                              cafi_set_face *faces)
{
    cafi_rng rng = cafi_rng_at(s->seed, STREAM_SET, step, set);
    size_t own = (size_t)cafi_rng_below(&rng, s->info.classes);
    size_t pictures[4];
    size_t n = draw_pictures(s, own, 1 + (size_t)cafi_rng_below(&rng, 4), pictures, &rng);
    double clean = cafi_rng_unit(&rng) < 0.15 ? 0.9 : 0.05;

    for (size_t i = 0; i < size; i++) {
        size_t variant = (size_t)cafi_rng_below(&rng, s->info.variants);
        bool as_it_is = cafi_rng_unit(&rng) < clean;

        faces[i] = (cafi_set_face){.image = pictures[cafi_rng_below(&rng, n)],
                                   .variant = as_it_is ? s->info.variants : variant};
    }
    if (s->intruders && size >= 4 && cafi_rng_unit(&rng) < 0.12)
        intrude(s, own, size, faces, &rng);
    return own;
}

/* --- rows --------------------------------------------------------------------------- */

/* The class's centre without the pictures that a set shows, where others are left. */
static caface_status target_of(const cafi_set_sampler *s, size_t own, const cafi_set_face *faces,
                               const float *shown, float *target, caface_error *err)
{
    size_t C = s->info.C;
    size_t count = 0;
    size_t seen[CAFI_SET_MOST];
    const float *used[CAFI_SET_MOST];
    size_t n = 0;
    double *rest = NULL;
    caface_status st = CAFI_NEW(&rest, C, err);

    if (st)
        return st;
    (void)cafi_store_class_images(s->store, own, &count);
    for (size_t i = 0; i < s->size; i++) {
        size_t k = 0;

        while (k < n && seen[k] != faces[i].image)
            k++;
        if (faces[i].other || k < n)
            continue;
        used[n] = shown + i * C;
        seen[n++] = faces[i].image;
    }
    if (!cafi_class_rest(target, s->sums + own * C, count, used, n, C, rest))
        memcpy(target, s->centres + own * C, C * sizeof *target);
    free(rest);
    return CAFACE_OK;
}

static caface_status fill_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    cafi_set_sampler *s = ctx;
    const cafi_set_batch *b = s->batch;
    size_t C = s->info.C;
    size_t W = 2 * s->info.S;
    cafi_set_face faces[CAFI_SET_MOST];
    size_t own = cafi_set_sampler_faces(s, s->step, s->first + index, s->size, faces);
    caface_status st = CAFACE_OK;

    for (size_t i = 0; i < s->size && !st; i++) {
        size_t at = index * s->size + i;
        float *feature = b->features + at * C;
        float *style = b->styles + at * W;
        float *shown = b->shown + at * C;

        b->other[at] = faces[i].other;
        if ((st = cafi_store_clean(s->store, faces[i].image, feature, style, err)))
            break;
        memcpy(shown, feature, C * sizeof *shown);
        cafi_direction(shown, C);
        if (faces[i].variant < s->info.variants)
            st = cafi_store_row(s->store, faces[i].image, faces[i].variant, &s->bufs[worker],
                                feature, style, err);
    }
    b->own[index] = own;
    return st ? st
              : target_of(s, own, faces, b->shown + index * s->size * C, b->targets + index * C,
                          err);
}

caface_status cafi_set_sampler_fill(cafi_set_sampler *s, uint64_t step, size_t first, size_t n,
                                    const cafi_set_batch *batch, caface_error *err)
{
    size_t sets = 0;
    size_t chunk = 0;

    cafi_set_sampler_plan(s, step, &sets, &s->size, &chunk);
    s->step = step;
    s->first = first;
    s->batch = batch;
    return cafi_pool_run(s->pool, n, fill_task, s, err);
}
