/* What made features: which backbone, how pictures became its input, and how it encoded. */
#ifndef CAFI_FILES_ORIGIN_H
#define CAFI_FILES_ORIGIN_H

#include <stdbool.h>

#include "base/status.h"
#include "files/value.h"

/* How a backbone encoded, as one text: WAYS, then "taps " and the names of the nodes whose
 * statistics are the styles. A way is a precision and, of features that are the mean over a crop
 * and its mirror image, " flip"; where faces of several ways are together they follow each other in
 * order: "fp32 taps stage1, stage2", "bf16 flip", "bf16 flip + fp32". Features of different ways
 * differ a little and may be mixed, which their text says then; styles of different taps may not.
 */

/* Bytes of such a text at most. */
#define CAFI_ENCODING_TEXT 2047

/* *out becomes the text, the caller's; NULL where nothing is known: no precision, no flip, no
 * taps. Names too long for the text are told by their SHA-256. ENOMEM. */
caface_status cafi_encoding_make(char **out, const char *precision, bool flip,
                                 const char *const *taps, size_t tap_count, caface_error *err);

/* *out becomes the text of faces of both, the caller's; NULL where neither says anything. styles:
 * taps matter, else they are left out. name begins the sentence. EMODEL: styles of different taps.
 * EINVAL: a text that is too long. ENOMEM. */
caface_status cafi_encoding_join(char **out, const char *mine, const char *theirs, bool styles,
                                 const char *name, caface_error *err);

/* Do both say in which ways they encoded, and a in one that b does not know? A caller tells its
 * user. */
bool cafi_encoding_is_new(const char *a, const char *b);
/* The bytes of a text that are its ways. */
int cafi_encoding_ways(const char *text);

/* NULL where it is not said. path names the features in sentences. Borrowed. */
typedef struct cafi_origin {
    const char *path, *backbone, *input, *encoding;
} cafi_origin;

/* The members "backbone", "input" and "encoding" of a file's metadata. */
cafi_origin cafi_origin_of(const char *path, const cafi_value *info);

/* The member of a fusion model's metadata that says on what features it was trained: a dict of the
 * members above. */
#define CAFI_TRAINED_ON "trained_on"

/* Such a dict: what an origin says, borrowed from it and from *room. */
typedef struct cafi_origin_room {
    cafi_value items[3];
    char *keys[3];
} cafi_origin_room;
cafi_value cafi_origin_value(cafi_origin_room *room, cafi_origin origin);

/* EMODEL where both say what made them, and not the same: the backbone, its input and, with
 * styles, the taps; names both. *unknown: one of them does not say which backbone or input. */
caface_status cafi_origin_check(cafi_origin a, cafi_origin b, bool styles, bool *unknown,
                                caface_error *err);

#endif
