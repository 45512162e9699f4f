/* Encoding: pictures in, a feature set out, with the memory of a few batches.
 *
 * Pictures are read by other threads while the encoder works; rows are written
 * in the order of the sources. A picture that can't be used is a failure of its
 * own: it is counted, named, and passed over. */
#ifndef CAFI_FACES_ENCODE_H
#define CAFI_FACES_ENCODE_H

#include "caface/model.h"
#include "faces/feed.h"
#include "faces/sources.h"
#include "files/feature_set.h"
#include "models/encoder.h"

typedef struct cafi_encode_result cafi_encode_result;

/* Which pictures there are and how each becomes crops: faces/crop_input.h,
 * faces/listed_input.h. */
typedef struct cafi_encode_input {
    size_t count;               /* pictures */
    const char *const *columns; /* of index.tsv, borrowed */
    size_t column_count;
    /* A picture that can't be used is a row of NaN, so that rows and pictures stay
     * in step; else it has no row. */
    bool keep_failed;
    void *ctx;
    /* What a picture is called in a failure; good until the next call. */
    const char *(*name)(void *ctx, size_t index);
    /* A picture's crops, of the size that the network takes. */
    cafi_crop_reader read;
    /* fields [column_count] of its row, good until the next call. */
    void (*fields)(void *ctx, size_t index, bool failed, const char **fields);
    /* With resume: row_of [count], all SIZE_MAX, gets the rows of the old set that
     * stand for pictures. One that failed and would fail again may be matched, and
     * is added to result as a failure. EMODEL: a set of other pictures. */
    caface_status (*match)(void *ctx, const cafi_feature_set *old, size_t *row_of,
                           cafi_encode_result *result, caface_error *err);
    /* match compares names alone: a picture written after the set is refused. */
    bool names_alone;
} cafi_encode_input;

typedef struct cafi_encode_options {
    const char *output;        /* folder of the set */
    bool resume;               /* go on where a set at output stopped */
    const caface_model *model; /* compact styles in place of raw ones, or NULL */
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

struct cafi_encode_result {
    size_t images;   /* looked at, failures included */
    size_t faces;    /* rows of the set, those of failures not counted */
    size_t resumed;  /* of these, rows that were there before */
    size_t refused;  /* faces that did not pass the gate */
    size_t dropped;  /* frames of live sources that were left out for want of time */
    size_t reopened; /* times that live sources broke and were opened again */
    size_t crowded;  /* photographs of which several faces were taken into one template */
    cafi_encode_failure *failures;
    size_t failure_count, failure_room;
    bool stopped; /* progress said so: the set is valid, marked as partial */
    /* Files in folders that are no pictures, by suffix (faces/sources.h). */
    cafi_passed_kind passed[CAFI_SOURCES_MAX_KINDS];
    size_t passed_count;
};

/* Encodes all pictures and writes the set. With resume, a set in which nothing
 * is missing is left untouched. Whatever happens, result is filled as far as
 * things went, and is the caller's to clear. EMODEL: with resume, a set of
 * another backbone, fusion model, input convention, precision, taps or flip, or of
 * other pictures; a network that gives NaN. EFORMAT: no picture could be used; nothing
 * is written. EIO, ENOMEM: nothing is written, an older set stays as it was. */
caface_status cafi_encode(cafi_encode_result *result, cafi_encoder *encoder,
                          const cafi_encode_input *input, const cafi_encode_options *options,
                          caface_error *err);
void cafi_encode_result_clear(cafi_encode_result *result);

/* Adds the failure of a picture or video; both texts are copied. An error that
 * begins with "PATH: " is kept without it. ENOMEM: nothing is added. */
caface_status cafi_encode_result_failed(cafi_encode_result *result, const char *path,
                                        const char *error, caface_error *err);

#endif
