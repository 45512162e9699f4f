/* What made the features of a set: the identity that sets must share to be one. */
#ifndef CAFI_FUSION_SOURCE_H
#define CAFI_FUSION_SOURCE_H

#include "caface/set.h"
#include "files/origin.h"

/* Bytes of the first two texts at most; of the third CAFI_ENCODING_TEXT. */
#define CAFI_SOURCE_TEXT 255

/* Either is NULL where nobody said. Owned. */
typedef struct cafi_source {
    char *backbone; /* a hash */
    char *input;    /* colour order, mean and scale, in words */
    char *encoding; /* precision, mirror image, taps (files/origin.h) */
} cafi_source;

void cafi_source_free(cafi_source *source);

/* *out becomes copies of what mine says, and, where it says nothing, of what theirs does, whose
 * path begins the sentence; of the encodings one that names the ways of both. styles: a set by a
 * network, where the taps matter. On failure *out is empty. EMODEL: both say, and differ. EINVAL: a
 * text that is too long. ENOMEM. */
caface_status cafi_source_join(cafi_source *out, const cafi_source *mine, cafi_origin theirs,
                               bool styles, caface_error *err);

/* What a fusion model's metadata says that it was trained on; empty where nothing is said. The
 * sentence does not name the file. EMODEL: a text that is too long. ENOMEM. */
caface_status cafi_source_trained_on(cafi_source *out, const cafi_value *config, caface_error *err);

/* EMODEL: the model says that it was trained on another backbone, input or taps than made these
 * features; names both. */
caface_status cafi_model_check_source(const caface_model *model, cafi_origin features,
                                      caface_error *err);

cafi_origin cafi_source_origin(const cafi_source *source, const char *path);

/* The set's source becomes *source, which is the set's from now on. */
void cafi_set_use_source(caface_set *set, const cafi_source *source);

#endif
