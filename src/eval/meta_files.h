/* The files of an IJB set in InsightFace's layout: FOLDER/ijbc_NAME, or
 * FOLDER/meta/ijbc_NAME, where ijbc is the data set's name in small letters. */
#ifndef CAFI_EVAL_META_FILES_H
#define CAFI_EVAL_META_FILES_H

#include <stddef.h>

#include "base/status.h"

/* The path of the first of `names` (a NULL-terminated list such as
 * "_1N_gallery_G1.csv") that is there, the caller's to free. EIO: none is; the
 * sentence has the first name and what the folder holds instead. ENOMEM. */
caface_status cafi_meta_find(char **out, const char *folder, const char *dataset,
                             const char *const *names, caface_error *err);

/* The same for one name. */
caface_status cafi_meta_find_one(char **out, const char *folder, const char *dataset,
                                 const char *name, caface_error *err);

/* Gallery number 1 or 2 of the 1:N protocol: ijbc_1N_gallery_G1.csv, but IJB-B's
 * are ijbb_1N_gallery_S1.csv. */
caface_status cafi_meta_find_gallery(char **out, const char *folder, const char *dataset,
                                     size_t number, caface_error *err);

#endif
