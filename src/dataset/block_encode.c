#include "dataset/block_encode.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

caface_status cafi_block_new(cafi_block *block, const cafi_encoder *encoder, size_t variants,
                             cafi_pool *pool, caface_error *err)
{
    size_t rows = CAFI_BLOCK_IMAGES * variants;
    size_t S = cafi_encoder_style_size(encoder);
    caface_status st;

    *block = (cafi_block){.variants = variants, .workers = pool ? cafi_pool_size(pool) : 1};
    cafi_encoder_input_size(encoder, &block->height, &block->width);
    if ((st = CAFI_NEW(&block->ok, CAFI_BLOCK_IMAGES, err)) ||
        (st = cafi_alloc_f32(&block->features, rows, cafi_encoder_feature_size(encoder), err)) ||
        (S && (st = cafi_alloc_f32(&block->styles, rows, 2 * S, err))) ||
        (st = cafi_alloc(&block->crops, rows, block->width * block->height * 3, err)) ||
        (st = CAFI_NEW(&block->errors, CAFI_BLOCK_IMAGES, err)) ||
        (st = CAFI_NEW(&block->bufs, block->workers, err)) ||
        (st = CAFI_NEW(&block->augments, block->workers, err)) ||
        (st = CAFI_NEW(&block->degrades, block->workers, err)))
        return st;
    for (size_t i = 0; i < block->workers && !st; i++)
        st = cafi_augment_new(&block->augments[i], block->width, block->height, err);
    return st;
}

void cafi_block_free(cafi_block *block)
{
    for (size_t i = 0; i < block->workers; i++) {
        if (block->augments)
            cafi_augment_free(block->augments[i]);
        if (block->degrades)
            cafi_degrade_free(block->degrades[i]);
        if (block->bufs)
            cafi_buf_free(&block->bufs[i]);
    }
    free(block->augments);
    free(block->degrades);
    free(block->bufs);
    free(block->errors);
    free(block->crops);
    free(block->styles);
    free(block->features);
    free(block->ok);
    *block = (cafi_block){0};
}

typedef struct read_job {
    cafi_block *block;
    const cafi_face_list *faces;
    size_t first;
    uint64_t seed;
} read_job;

/* A picture's rows: its variants, part after part, and itself where that is kept. */
static caface_status degrade_picture(const read_job *j, uint8_t *crops, const uint8_t *crop,
                                     size_t picture, size_t worker, caface_error *err)
{
    cafi_block *b = j->block;
    size_t bytes = b->width * b->height * 3;
    size_t V = b->variants - b->clean;
    size_t parts = b->kind_count ? b->kind_count : 1;
    uint64_t key = cafi_augment_key(cafi_face_list_name(j->faces, picture));
    size_t augmented = 0; /* variants of that kind so far */
    caface_status st = CAFACE_OK;

    if (b->clean)
        memcpy(crops + V * bytes, crop, bytes);
    for (size_t k = 0; k < parts && !st; k++) {
        /* variant v is of part v * parts / V */
        size_t first = (k * V + parts - 1) / parts;
        size_t end = ((k + 1) * V + parts - 1) / parts;

        if (!b->kind_count || b->kinds[k].kind == CAFI_DEGRADE_AUGMENT) {
            st = cafi_augment_run(b->augments[worker], crops + first * bytes, crop, augmented,
                                  end - first, j->seed, key, err);
            augmented += end - first;
        } else if (!b->degrades[worker])
            st = cafi_degrade_new(&b->degrades[worker], b->width, b->height, err);
        for (size_t v = first;
             v < end && !st && b->kind_count && b->kinds[k].kind != CAFI_DEGRADE_AUGMENT; v++)
            st = cafi_degrade_run(b->degrades[worker], crops + v * bytes, crop, &b->kinds[k],
                                  j->seed, key, v + 1, NULL, err);
    }
    return st;
}

/* A picture's error is its own; only what concerns the whole run is returned. */
static caface_status read_task(void *ctx, size_t index, size_t worker, caface_error *err)
{
    read_job *j = ctx;
    cafi_block *b = j->block;
    size_t bytes = b->width * b->height * 3;
    uint8_t *crops = b->crops + index * b->variants * bytes;
    cafi_image image = {0};
    size_t picture = j->first + index;
    caface_status st = cafi_face_list_read(j->faces, picture, &b->bufs[worker], b->width, b->height,
                                           &image, &b->errors[index]);

    b->ok[index] = !st;
    if (!st && b->plain) {
        for (size_t v = 0; v < b->variants; v++) {
            cafi_image to = {crops + v * bytes, b->width, b->height};

            memcpy(to.rgb, image.rgb, bytes);
            if (v)
                cafi_picture_mirror(&to);
        }
    } else if (!st) {
        st = degrade_picture(j, crops, image.rgb, picture, worker, err);
        cafi_image_clear(&image);
        return st;
    }
    cafi_image_clear(&image);
    return st == CAFACE_ENOMEM ? cafi_fail(err, st, "%s", b->errors[index].message) : CAFACE_OK;
}

caface_status cafi_block_encode(cafi_block *block, const cafi_face_list *faces, size_t first,
                                size_t n, cafi_encoder *encoder, const cafi_build_options *options,
                                caface_error *err)
{
    read_job job = {block, faces, first, options->seed};
    size_t bytes = block->variants * block->width * block->height * 3;
    caface_status st;

    block->count = n;
    block->good = 0;
    st = cafi_pool_run(options->pool, n, read_task, &job, err);
    if (st)
        return st;
    for (size_t i = 0; i < n; i++) {
        if (!block->ok[i]) {
            options->failed(options->ctx, &block->errors[i]);
            continue;
        }
        if (block->good != i)
            memcpy(block->crops + block->good * bytes, block->crops + i * bytes, bytes);
        block->good++;
    }
    return cafi_encoder_run(encoder, block->crops, block->good * block->variants, block->features,
                            block->styles, err);
}
