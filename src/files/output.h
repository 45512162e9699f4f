/* A result file that appears whole or not at all: written beside its place
 * under a temporary name, renamed when complete. */
#ifndef CAFI_FILES_OUTPUT_H
#define CAFI_FILES_OUTPUT_H

#include <stddef.h>

#include "base/status.h"

typedef struct cafi_output cafi_output;

/* Creates "PATH.tmp-XXXXXX" in the folder of path. EIO names path. */
caface_status cafi_output_open(cafi_output **out, const char *path, caface_error *err);
/* Appends; buffered. A full disk shows up here or at commit, as EIO. */
caface_status cafi_output_write(cafi_output *output, const void *bytes, size_t n,
                                caface_error *err);
/* Overwrites n bytes at offset, which must lie within what was written. For headers whose numbers
 * are known at the end. */
caface_status cafi_output_patch(cafi_output *output, size_t offset, const void *bytes, size_t n,
                                caface_error *err);
/* Flushes, gives the file the permissions of an ordinary new file (0666 less
 * umask), renames it onto path, and frees output in every case; on an error
 * path is as it was before. */
caface_status cafi_output_commit(cafi_output *output, caface_error *err);
/* Removes the temporary file. NULL is allowed. */
void cafi_output_abort(cafi_output *output);

/* Removes the temporary files of path that killed programs left behind. For a
 * path that nobody else is writing to now. */
void cafi_output_sweep(const char *path);

/* Open, write and commit in one call. */
caface_status cafi_output_save(const char *path, const void *bytes, size_t n, caface_error *err);

#endif
