/* Where an output goes, and the name it has until it is complete: the rules that
 * files and feature sets share.
 *
 * Links are followed only when they belong to the user or to root, so that a link
 * that somebody planted in a shared folder leads nowhere; what a link names is
 * replaced, never the link. Temporary names are PATH.tmp-XXXXXX, and whoever
 * writes one holds a lock on it: what is not locked was left by a program that
 * was killed, and is used again or removed. */
#ifndef CAFI_FILES_OUTPUT_PLACE_H
#define CAFI_FILES_OUTPUT_PLACE_H

#include <stdbool.h>

#include "base/status.h"

/* *target becomes what path names, links followed, to be freed; it need not exist.
 * EIO, in a sentence without path: a link of somebody else, or links without end. */
caface_status cafi_place_follow(char **target, const char *path, caface_error *err);

/* The same for a folder: slashes at the end are left out, sentences begin with path. EINVAL: an
 * empty path. */
caface_status cafi_place_folder(char **target, const char *path, caface_error *err);

/* A temporary file for target, empty, open for reading and writing, and locked
 * until *fd is closed. path is for messages. */
caface_status cafi_place_file(char **temporary, int *fd, const char *target, const char *path,
                              caface_error *err);

/* Locks an open file or folder for as long as fd stays open. False: somebody else
 * has it. Where the file system knows no locks there is nobody else. */
bool cafi_place_lock(int fd);
/* False when name in folder is not a temporary of target's name (without folder),
 * or when its writer is at work. True: *fd is open and locked. */
bool cafi_place_is_left(int folder, const char *name, const char *target, int *fd);

/* Makes the names in path's folder, the one of path among them, survive a power
 * cut. EIO. */
caface_status cafi_place_sync(const char *path, caface_error *err);

#endif
