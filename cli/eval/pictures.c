#include "cli/eval/pictures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/threads.h"
#include "caface/image.h"
#include "cli/encoder.h"
#include "cli/progress.h"

/* Pictures that are decoded side by side, then encoded together. */
#define BATCH 64

typedef struct job {
    const cafi_pair_bin *bin;
    caface_encoder *encoder;
    cafi_pool *pool;
    size_t height, width;
    uint8_t *crops;              /* [BATCH][height][width][3] */
    size_t first;                /* of the batch */
    eval_bad_picture bad[BATCH]; /* error "": none */
    eval_bin out;
} job;

/* A picture's error is its own: it becomes a black crop, and later NaN. */
static caface_status decode_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    job *j = ctx;
    size_t bytes = j->height * j->width * 3;
    size_t size = 0;
    const void *data = cafi_pair_bin_picture(j->bin, j->first + index, &size);
    caface_image *image = NULL;
    const uint8_t *rgb = NULL;
    caface_error why = {CAFACE_OK, ""};
    caface_status st = caface_image_decode(&image, data, size, &why);

    (void)worker;
    if (!st)
        st = caface_image_rgb(image, &rgb, &why);
    if (!st && (caface_image_height(image) != j->height || caface_image_width(image) != j->width))
        st = cafi_fail(&why, CAFACE_EFORMAT, "%zux%zu pixels, the network takes %zux%zu",
                       caface_image_width(image), caface_image_height(image), j->width, j->height);
    if (!st)
        memcpy(j->crops + index * bytes, rgb, bytes);
    else
        memset(j->crops + index * bytes, 0, bytes);
    caface_image_free(image);
    j->bad[index].number = j->first + index;
    snprintf(j->bad[index].error, sizeof j->bad[index].error, "%.199s", st ? why.message : "");
    return st == CAFACE_ENOMEM ? cafi_fail(err, st, "%s", why.message) : CAFACE_OK;
}

static caface_status keep_bad(job *j, size_t n, caface_error *err)
{
    eval_bin *o = &j->out;
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < n; i++) {
        float *feature = o->features + (j->first + i) * o->C;

        if (!*j->bad[i].error)
            continue;
        for (size_t c = 0; c < o->C; c++)
            feature[c] = NAN;
        st = CAFI_GROW(&o->bad, &o->bad_room, o->bad_count + 1, err);
        if (!st)
            o->bad[o->bad_count++] = j->bad[i];
    }
    return st;
}

static caface_status encode_batch(job *j, size_t n, caface_error *err)
{
    size_t C = j->out.C;
    float *features = j->out.features + j->first * C;
    caface_status st = cafi_pool_run(j->pool, n, decode_task, j, err);

    if (!st)
        st = caface_encoder_run(j->encoder, j->crops, n, features, NULL, err);
    return st ? st : keep_bad(j, n, err);
}

static caface_status allocate(job *j, caface_error *err)
{
    eval_bin *o = &j->out;
    caface_encoder_info info;
    size_t bytes = 0;
    caface_status st = CAFACE_OK;

    caface_encoder_get_info(j->encoder, &info);
    j->height = info.height;
    j->width = info.width;
    o->rows = 2 * cafi_pair_bin_pairs(j->bin);
    o->C = info.C;
    if (!cafi_mul_size(j->height, j->width, &bytes) || !cafi_mul_size(bytes, 3, &bytes))
        return cafi_fail_memory(err, bytes);
    st = cafi_alloc(&j->crops, BATCH, bytes, err);
    return st ? st : cafi_alloc_f32(&o->features, o->rows, o->C, err);
}

caface_status eval_encode_bin(eval_bin *out, const cafi_pair_bin *bin, const char *path,
                              const cli_list *models, bool flip, const cli_common *common,
                              caface_error *err)
{
    caface_encoder_options encoder;
    job j = {.bin = bin};
    cli_progress progress;
    size_t which = 0;
    caface_status st = CAFACE_OK;

    *out = (eval_bin){0};
    caface_encoder_options_init(&encoder);
    encoder.threads = common->threads;
    encoder.flip = flip;
    if (!(st = cafi_pool_new(&j.pool, common->threads, err)) &&
        !(st = cli_encoder_open(&j.encoder, &which, models, &encoder, err)))
        st = allocate(&j, err);
    cli_progress_begin(&progress, "encoding", j.out.rows, common->quiet || common->json);
    for (; !st && j.first < j.out.rows; j.first += BATCH) {
        size_t n = j.out.rows - j.first < BATCH ? j.out.rows - j.first : BATCH;

        st = encode_batch(&j, n, err);
        cli_progress_update(&progress, j.first + n);
    }
    cli_progress_end(&progress);
    if (!st && j.out.rows && j.out.bad_count == j.out.rows)
        st = cafi_fail(err, CAFACE_EFORMAT, "%s: none of %zu pictures can be used; the first: %s",
                       path, j.out.rows, j.out.bad[0].error);
    caface_encoder_free(j.encoder);
    cafi_pool_free(j.pool);
    free(j.crops);
    if (!st) {
        *out = j.out;
        return CAFACE_OK;
    }
    free(j.out.features);
    free(j.out.bad);
    return st;
}
