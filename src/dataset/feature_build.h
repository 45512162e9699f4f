/* From face crops to a store of augmented features, and to class centres. */
#ifndef CAFI_DATASET_FEATURE_BUILD_H
#define CAFI_DATASET_FEATURE_BUILD_H

#include "base/threads.h"
#include "dataset/centres.h"
#include "dataset/degrade.h"
#include "dataset/face_list.h"
#include "dataset/store_write.h"
#include "models/encoder.h"

typedef struct cafi_build_options {
    const char *output; /* folder; made if it is not there */
    size_t variants;    /* of a picture */
    uint64_t seed;      /* of the augmentation */
    cafi_store_format format;
    bool clean; /* keep the feature of the picture as it is beside its variants */
    /* of the variants, in equal parts and this order; none: all are of augment.h */
    const cafi_degradation *kinds;
    size_t kind_count;
    bool resume;           /* go on with what a stopped run left in output */
    const char *precision; /* of the encoder, for set.json and --resume */
    const char *command;   /* for set.json */
    cafi_pool *pool;       /* reads and augments */
    /* Called after every block; false stops the work with what is done kept. */
    bool (*progress)(void *ctx, size_t done, size_t total);
    void (*failed)(void *ctx, const caface_error *why); /* one picture that can't be used */
    void *ctx;
} cafi_build_options;

typedef struct cafi_build_result {
    size_t images; /* rows of the store */
    size_t failed;
    size_t resumed; /* pictures that an earlier run had done */
    bool stopped;
} cafi_build_result;

/* Writes the store. While it works, finished blocks lie in output/parts, each of
 * which appears whole or not at all, so that a killed run loses one block. The
 * bits do not depend on threads, nor on where a run was stopped. EMODEL: parts of
 * another model, precision, seed, number of variants or set of pictures (names,
 * sizes and times). EFORMAT: no picture
 * could be used, or a network without styles. EIO, ENOMEM. */
caface_status cafi_build_features(const cafi_face_list *faces, cafi_encoder *encoder,
                                  const cafi_build_options *options, cafi_build_result *result,
                                  caface_error *err);

/* Class centres: the mean of a class's features, with mirrored crops too when
 * flip is set, brought to length 1. out [classes][C]. A class whose pictures all
 * fail is EFORMAT. */
caface_status cafi_build_centres(const cafi_face_list *faces, cafi_encoder *encoder, bool flip,
                                 cafi_center_mean mean, const cafi_build_options *options,
                                 float *out, cafi_build_result *result, caface_error *err);

#endif
