/* A result file that appears whole or not at all: written beside its place
 * under a temporary name, renamed when complete. */
#ifndef CAFI_FILES_OUTPUT_H
#define CAFI_FILES_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct cafi_output cafi_output;

/* Creates "PATH.tmp-XXXXXX" beside what path names. A device or a pipe is written
 * directly. Links are followed when they are the user's own or root's. EIO names
 * path; it is also a link or pipe that another user planted. */
caface_status cafi_output_open(cafi_output **out, const char *path, caface_error *err);
/* Appends; buffered. A full disk shows up here or at commit, as EIO. */
caface_status cafi_output_write(cafi_output *output, const void *bytes, size_t n,
                                caface_error *err);
/* count numbers of `width` bytes each (1, 2, 4 or 8), little-endian in the file. */
caface_status cafi_output_write_numbers(cafi_output *output, const void *numbers, size_t count,
                                        size_t width, caface_error *err);
/* Hands what is buffered to the system, where it survives the end of the program. */
caface_status cafi_output_flush(cafi_output *output, caface_error *err);
/* Overwrites n bytes at offset, which must lie within what was written. For headers whose numbers
 * are known at the end. */
caface_status cafi_output_patch(cafi_output *output, size_t offset, const void *bytes, size_t n,
                                caface_error *err);
/* Flushes, gives the file the permissions of an ordinary new file (0666 less
 * umask), renames it onto path, and frees output in every case; on an error
 * path is as it was before. When it returns OK, the file survives a power cut. */
caface_status cafi_output_commit(cafi_output *output, caface_error *err);
/* Removes the temporary file. NULL is allowed. */
void cafi_output_abort(cafi_output *output);

/* Removes the temporary files of path that killed programs left behind. Writing
 * path does the same for what it finds under the name it takes. */
void cafi_output_sweep(const char *path);

/* Open, write and commit in one call. */
caface_status cafi_output_save(const char *path, const void *bytes, size_t n, caface_error *err);
/* The same for one of thousands of files, which survive a power cut from
 * cafi_output_sync of their folder on. */
caface_status cafi_output_save_of_many(const char *path, const void *bytes, size_t n,
                                       caface_error *err);
caface_status cafi_output_sync(const char *folder, caface_error *err);

/* A folder for outputs: made if it is not there (*made). EIO: it cannot be made, is
 * no folder, or a link of another user. */
caface_status cafi_output_folder(const char *path, bool *made, caface_error *err);
/* Keeps the folder for this run until release: a second run that asks for it is
 * refused (EIO). The end of the process, however it comes, releases too. */
caface_status cafi_output_hold(int *lock, const char *folder, caface_error *err);
void cafi_output_release(int lock);

#endif
