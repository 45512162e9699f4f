/* A feature set while a backbone makes it: one layout, one description of what
 * made it, one commit, and the older set at the same place that may be carried
 * on. Crops (faces/encode.h) and found faces (faces/encode_found.h) both write
 * through it. */
#ifndef CAFI_FACES_ENCODED_SET_H
#define CAFI_FACES_ENCODED_SET_H

#include "caface/model.h"
#include "files/feature_set.h"
#include "models/encoder.h"

typedef struct cafi_encoded_options {
    const char *output;         /* folder of the set */
    bool resume;                /* go on where a set at output stopped */
    const caface_model *model;  /* compact styles in place of raw ones, or NULL */
    const char *command;        /* for set.json; NULL: left out */
    const char *detection;      /* how faces were found, in words; NULL for crops */
    const char *const *columns; /* of index.tsv */
    size_t column_count;
} cafi_encoded_options;

typedef struct cafi_encoded_set cafi_encoded_set;

/* options, what they point at and encoder outlive the set. With resume, and a
 * set at output, that is opened. EMODEL: the model and the encoder do not fit; the
 * old set is of another backbone, fusion model, input convention, precision, taps,
 * flip or detection: the sentence names it and both. EIO, EFORMAT, ENOMEM. */
caface_status cafi_encoded_set_open(cafi_encoded_set **out, const cafi_encoder *encoder,
                                    const cafi_encoded_options *options, caface_error *err);
/* Whatever was not committed is gone. NULL is allowed. */
void cafi_encoded_set_free(cafi_encoded_set *set);

/* The set that is carried on, or NULL. */
const cafi_feature_set *cafi_encoded_set_old(const cafi_encoded_set *set);
/* False when it was stopped. */
bool cafi_encoded_set_old_is_complete(const cafi_encoded_set *set);

/* Starts writing. EIO. */
caface_status cafi_encoded_set_begin(cafi_encoded_set *set, caface_error *err);
/* The folder that becomes the set: other files of it may be put there. */
const char *cafi_encoded_set_folder(const cafi_encoded_set *set);
size_t cafi_encoded_set_rows(const cafi_encoded_set *set);
/* Adds a row: feature f32 [C], style f32 [S][2] (NULL without taps), fields
 * [column_count]. */
caface_status cafi_encoded_set_add(cafi_encoded_set *set, const float *feature, const float *style,
                                   const char *const *fields, caface_error *err);
/* Adds rows of the old set as they are. */
caface_status cafi_encoded_set_copy(cafi_encoded_set *set, size_t first, size_t count,
                                    caface_error *err);
/* Puts the set in its place; partial: --resume can go on. On an error what was
 * there before stays. */
caface_status cafi_encoded_set_commit(cafi_encoded_set *set, bool partial, caface_error *err);

#endif
