/* What made the features of a set: the identity that sets must share to be one. */
#ifndef CAFI_FUSION_SOURCE_H
#define CAFI_FUSION_SOURCE_H

#include "caface/set.h"

/* Bytes of each text at most. */
#define CAFI_SOURCE_TEXT 255

/* Either is NULL where nobody said. Owned. */
typedef struct cafi_source {
    char *backbone; /* a hash */
    char *input;    /* colour order, mean and scale, in words */
} cafi_source;

void cafi_source_free(cafi_source *source);

/* *out becomes copies of what mine says, and, where it says nothing, of backbone and input,
 * which may be NULL. On failure *out is empty. name begins the sentence. EMODEL: both say, and
 * differ. EINVAL: a text of more than CAFI_SOURCE_TEXT bytes. ENOMEM. */
caface_status cafi_source_join(cafi_source *out, const cafi_source *mine, const char *backbone,
                               const char *input, const char *name, caface_error *err);

/* The set's source becomes *source, which is the set's from now on. */
void cafi_set_use_source(caface_set *set, const cafi_source *source);

#endif
