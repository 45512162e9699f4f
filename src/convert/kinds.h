/* Files that are no model and no array: pictures, videos, record sets, pair sets, saved sets,
 * lists, galleries, folders. Each is recognised and said in words. */
#ifndef CAFI_CONVERT_KINDS_H
#define CAFI_CONVERT_KINDS_H

#include <stdbool.h>

#include "base/mem.h"
#include "files/json.h"

/* What was found. facts is a JSON object while it is written; the caller's to free. */
typedef struct cafi_kind {
    const char *name;  /* "picture", "video", "record-set", "pair-set", "saved-set", "list",
                        * "gallery", "folder", "training-set", "description"; static; NULL: none of
                        * these */
    cafi_buf sentence; /* what stands behind the path */
    cafi_buf facts;
} cafi_kind;

void cafi_kind_clear(cafi_kind *kind);

/* By the first bytes, before a reader of models looks at it: everything but videos, lists and
 * pair sets, which begin like others. An error: it is of such a kind, and damaged. */
caface_status cafi_kind_of_head(cafi_kind *out, const char *path, caface_error *err);
/* What no reader of models knows: a list, a pair set, a video. */
caface_status cafi_kind_of_rest(cafi_kind *out, const char *path, caface_error *err);
/* A folder with features.npy that are those of `caface prepare features`; name stays NULL where
 * they are a feature set's. */
caface_status cafi_kind_of_variants(cafi_kind *out, const char *path, caface_error *err);
/* A folder that is no feature set. */
caface_status cafi_kind_of_folder(cafi_kind *out, const char *path, caface_error *err);

/* The parts that need pictures and video; a build without them finds none. */
caface_status cafi_kind_of_picture(cafi_kind *out, const char *path, const void *bytes, size_t size,
                                   caface_error *err);
caface_status cafi_kind_of_video(cafi_kind *out, const char *path, caface_error *err);
bool cafi_kind_is_picture_name(const char *name);

/* The form of a list by its first lines, for people, with the option that takes it; NULL: no
 * form that is known. *lines is how many it has. */
const char *cafi_list_form(const char *text, size_t size, size_t *lines);

#endif
