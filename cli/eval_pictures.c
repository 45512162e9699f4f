#include "eval_pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/threads.h"
#include "media/image.h"
#include "progress.h"

/* Pictures that are decoded side by side, then encoded together. */
#define BATCH 64

typedef struct job {
    const cafi_pair_bin *bin;
    const char *path;
    cafi_encoder *encoder;
    cafi_pool *pool;
    size_t height, width, C;
    uint8_t *crops;  /* [BATCH][height][width][3] */
    float *features; /* [rows][C] */
    float *mirrored; /* [BATCH][C], with flip */
    size_t first;    /* of the batch */
} job;

caface_status eval_open_encoder(cafi_encoder **out, size_t *which, const cli_list *models,
                                const cafi_encoder_options *options, caface_error *err)
{
    caface_status st = CAFACE_EINVAL;

    for (size_t i = 0; i < models->count; i++) {
        caface_error why;
        caface_status this = cafi_encoder_open(out, models->items[i], options, &why);

        *which = i;
        if (!this)
            return CAFACE_OK;
        if (i == 0 || this != CAFACE_EMODEL) {
            *err = why;
            st = this;
        }
    }
    return st;
}

static caface_status decode_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    job *j = ctx;
    size_t number = j->first + index;
    size_t bytes = j->height * j->width * 3;
    size_t size = 0;
    const void *data = cafi_pair_bin_picture(j->bin, number, &size);
    cafi_image image = {0};
    caface_status st = cafi_image_decode(&image, data, size, err);

    (void)worker;
    if (st) {
        char place[512];

        snprintf(place, sizeof place, "%.400s: picture %zu", j->path, number);
        return cafi_prefix(err, st, place);
    }
    if (image.height != j->height || image.width != j->width)
        st = cafi_fail(err, CAFACE_EFORMAT,
                       "%s: picture %zu has %zu x %zu pixels, the network "
                       "takes %zu x %zu",
                       j->path, number, image.width, image.height, j->width, j->height);
    else
        memcpy(j->crops + index * bytes, image.rgb, bytes);
    cafi_image_clear(&image);
    return st;
}

static void mirror_crops(job *j, size_t n)
{
    for (size_t row = 0; row < n * j->height; row++) {
        uint8_t *pixel = j->crops + row * j->width * 3;

        for (size_t a = 0, b = j->width - 1; a < b; a++, b--)
            for (size_t c = 0; c < 3; c++) {
                uint8_t swap = pixel[a * 3 + c];

                pixel[a * 3 + c] = pixel[b * 3 + c];
                pixel[b * 3 + c] = swap;
            }
    }
}

static caface_status encode_batch(job *j, size_t n, bool flip, caface_error *err)
{
    float *out = j->features + j->first * j->C;
    caface_status st = cafi_pool_run(j->pool, n, decode_task, j, err);

    if (!st)
        st = cafi_encoder_run(j->encoder, j->crops, n, out, NULL, err);
    if (st || !flip)
        return st;
    mirror_crops(j, n);
    st = cafi_encoder_run(j->encoder, j->crops, n, j->mirrored, NULL, err);
    for (size_t i = 0; !st && i < n * j->C; i++)
        out[i] += j->mirrored[i];
    return st;
}

static caface_status allocate(job *j, size_t rows, caface_error *err)
{
    size_t bytes = 0;
    caface_status st = CAFACE_OK;

    cafi_encoder_input_size(j->encoder, &j->height, &j->width);
    j->C = cafi_encoder_feature_size(j->encoder);
    if (!cafi_mul_size(j->height, j->width, &bytes) || !cafi_mul_size(bytes, 3, &bytes))
        return cafi_fail_memory(err, bytes);
    if ((st = cafi_alloc((void **)&j->crops, BATCH, bytes, err)) ||
        (st = cafi_alloc_f32(&j->mirrored, BATCH, j->C, err)))
        return st;
    return cafi_alloc_f32(&j->features, rows, j->C, err);
}

caface_status eval_encode_bin(float **features, size_t *rows, size_t *C, const cafi_pair_bin *bin,
                              const char *path, const cli_list *models, bool flip,
                              const cli_common *common, caface_error *err)
{
    const cafi_encoder_options encoder = {.threads = common->threads};
    job j = {.bin = bin, .path = path};
    cli_progress progress;
    size_t which = 0;
    caface_status st = CAFACE_OK;

    *features = NULL;
    *rows = 2 * cafi_pair_bin_pairs(bin);
    if (!(st = cafi_pool_new(&j.pool, common->threads, err)) &&
        !(st = eval_open_encoder(&j.encoder, &which, models, &encoder, err)))
        st = allocate(&j, *rows, err);
    cli_progress_begin(&progress, "encoding", *rows, common->quiet || common->json);
    for (; !st && j.first < *rows; j.first += BATCH) {
        st = encode_batch(&j, *rows - j.first < BATCH ? *rows - j.first : BATCH, flip, err);
        cli_progress_update(&progress, j.first);
    }
    cli_progress_end(&progress);
    cafi_encoder_free(j.encoder);
    cafi_pool_free(j.pool);
    free(j.crops);
    free(j.mirrored);
    *C = j.C;
    if (st)
        free(j.features);
    else
        *features = j.features;
    return st;
}
