/* What killed programs left of a feature set: folders PATH.tmp-XXXXXX that nobody
 * works on any more. */
#ifndef CAFI_FILES_FEATURE_SET_LEFT_H
#define CAFI_FILES_FEATURE_SET_LEFT_H

#include <stddef.h>

#include "base/status.h"

/* A set's files, for those who remove or replace one. */
extern const char *const cafi_set_files[];
extern const size_t cafi_set_file_count;

/* Removes the feature set in folder, with the temporary files in it, and the folder
 * if nothing else is there. */
void cafi_set_remove(const char *folder);

/* Puts an old set back that had stepped aside when the program was killed, and
 * removes what else was left of path. path has no slash at its end. Any errors are
 * silent: what is left costs room alone. */
void cafi_set_sweep(const char *path);

/* For those who carry a set on: where a killed program had more rows than the set at
 * path has (or there is none), they become the set at path, marked as partial. Only
 * what says in its set.json how it was made is taken. EIO; path is as it was then. */
caface_status cafi_set_recover(const char *path, caface_error *err);

#endif
