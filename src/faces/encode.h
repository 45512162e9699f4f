/* Encoding: pictures in, a feature set out, with the memory of a few batches.
 *
 * Pictures are read by other threads while the encoder works; rows are written
 * in the order of the sources. A picture that can't be used is a failure of its
 * own: it is counted, named, and passed over. */
#ifndef CAFI_FACES_ENCODE_H
#define CAFI_FACES_ENCODE_H

#include "caface/model.h"
#include "faces/sources.h"
#include "models/encoder.h"

typedef struct cafi_encode_options {
    const char *output; /* folder of the set */
    /* Average of a crop and its mirror image, for the feature and for every mean
     * and deviation of the style alike: f = (f(x) + f(mirror x)) / 2. Not
     * normalised, so the length of the average says how much the two agree. */
    bool flip;
    bool resume;               /* go on where a set at output stopped */
    const caface_model *model; /* compact styles in place of raw ones, or NULL */
    const char *precision;     /* for set.json */
    const char *command;       /* for set.json; NULL: left out */
    size_t threads;            /* readers of pictures; 0: one for every core */
    /* Called after every batch and every failure; false stops the work. */
    bool (*progress)(void *ctx, size_t done, size_t total);
    void *ctx;
} cafi_encode_options;

typedef struct cafi_encode_failure {
    char *path;
    char *error;
} cafi_encode_failure;

typedef struct cafi_encode_result {
    size_t images;  /* looked at, failures included */
    size_t faces;   /* rows of the set */
    size_t resumed; /* of these, rows that were there before */
    cafi_encode_failure *failures;
    size_t failure_count, failure_room;
    bool stopped; /* progress said so: the set is valid, marked as partial */
} cafi_encode_result;

/* Encodes all sources and writes the set. Whatever happens, result is filled as
 * far as things went, and is the caller's to clear. EMODEL: with resume, a set
 * of another backbone, fusion model, precision, taps or flip, or of other
 * sources; a network that gives NaN. EFORMAT: no picture could be used; nothing
 * is written. EIO, ENOMEM: nothing is written, an older set stays as it was. */
caface_status cafi_encode(cafi_encode_result *result, cafi_encoder *encoder,
                          const cafi_sources *sources, const cafi_encode_options *options,
                          caface_error *err);
void cafi_encode_result_clear(cafi_encode_result *result);

/* Adds the failure of a picture or video; both texts are copied. An error that
 * begins with "PATH: " is kept without it. ENOMEM: nothing is added. */
caface_status cafi_encode_result_failed(cafi_encode_result *result, const char *path,
                                        const char *error, caface_error *err);

#endif
