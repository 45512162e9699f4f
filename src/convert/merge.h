/* Several files on their way to one: what caface/convert.h does, step by step. */
#ifndef CAFI_CONVERT_MERGE_H
#define CAFI_CONVERT_MERGE_H

#include "convert/backbone.h"
#include "files/bundle.h"
#include "files/origin.h"
#include "files/names.h"

/* Members of __metadata__; the values are borrowed. */
typedef struct cafi_merge_meta {
    cafi_value dict; /* items and keys are this struct's, what they hold is not */
    size_t capacity;
    char *made[256]; /* keys that were made up */
    size_t made_count;
} cafi_merge_meta;

typedef struct cafi_merge {
    const char *const *paths;
    cafi_bundle **inputs; /* NULL for an ONNX file */
    cafi_backbone *backbones;
    size_t input_count;
    caface_progress progress; /* or NULL. Told the bytes that are written */
    void *context;
    const char *weights_key; /* of the backbone that is wanted; or NULL */
    const cafi_tensor **tensors;
    size_t *owner; /* index of the input each tensor comes from */
    size_t count;
    cafi_names names;
    cafi_tensor *renamed; /* tensors under other names than their file's */
    char **new_names;     /* of them, this struct's */
    size_t renamed_count;
    size_t members; /* restoring networks so far */
    float power;    /* of an ensemble, else 0 */
    cafi_value heads;
    cafi_origin trained_on; /* what the fusion models say, joined; a backbone beside them else */
    char *encoding;         /* of it */
    cafi_origin_room room;
    cafi_merge_meta meta;
} cafi_merge;

/* The tensors of an input that is open. EMODEL: another input has one of them, but not the same;
 * an ensemble among the members of an ensemble. EFORMAT: a checksum. ECANCELLED. */
caface_status cafi_merge_add(cafi_merge *merge, size_t input, caface_error *err);
/* The power of an ensemble, after the last input. EMODEL: it has fewer than two members. */
caface_status cafi_merge_add_power(cafi_merge *merge, caface_error *err);
/* The configuration of all inputs, into merge->meta. EMODEL: fusion models that say that they were
 * trained on another backbone, input or taps, than each other or than the backbone that is there.
 */
caface_status cafi_merge_configure(cafi_merge *merge, caface_error *err);

#endif
