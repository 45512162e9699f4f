/* A block of pictures: read, augmented side by side, and encoded together. */
#ifndef CAFI_DATASET_BLOCK_ENCODE_H
#define CAFI_DATASET_BLOCK_ENCODE_H

#include "dataset/augment.h"
#include "dataset/feature_build.h"

/* Pictures of a block: what a killed run loses at most. */
#define CAFI_BLOCK_IMAGES 64

typedef struct cafi_block {
    size_t variants;               /* rows of a picture */
    bool clean;                    /* the last of them is the picture as it is */
    const cafi_degradation *kinds; /* of the others, in equal parts; none: augment.h's */
    size_t kind_count;
    bool plain; /* no augmentation: variant 0 is the crop, variant 1 its mirror image */
    size_t width, height;
    size_t count, good;      /* pictures; those that could be used */
    unsigned char *ok;       /* [CAFI_BLOCK_IMAGES] */
    float *features;         /* [good][variants][C] */
    float *styles;           /* [good][variants][S][2]; NULL without styles */
    uint8_t *crops;          /* [CAFI_BLOCK_IMAGES][variants][height][width][3] */
    caface_error *errors;    /* [CAFI_BLOCK_IMAGES] */
    cafi_augment **augments; /* one a worker */
    cafi_degrade **degrades;
    cafi_buf *bufs;
    size_t workers;
} cafi_block;

/* Zeroed by the caller or here; free with cafi_block_free in every case. */
caface_status cafi_block_new(cafi_block *block, const cafi_encoder *encoder, size_t variants,
                             cafi_pool *pool, caface_error *err);
void cafi_block_free(cafi_block *block);

/* Pictures [first, first + n) of faces, n <= CAFI_BLOCK_IMAGES. One that can't be
 * used is told to options->failed and left out. */
caface_status cafi_block_encode(cafi_block *block, const cafi_face_list *faces, size_t first,
                                size_t n, cafi_encoder *encoder, const cafi_build_options *options,
                                caface_error *err);

#endif
