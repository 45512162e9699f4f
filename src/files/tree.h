/* Files below a folder whose names come from somewhere else: a record set, a list, a
 * folder of pictures. */
#ifndef CAFI_FILES_TREE_H
#define CAFI_FILES_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* Does a relative name stay below its folder: no empty part, no "." and no ".."? */
bool cafi_tree_is_safe(const char *name);

/* Writes FOLDER/NAME, which appears whole or not at all, and makes the folders on the
 * way that are not there. It survives a power cut from cafi_output_sync of the folder on.
 * EFORMAT: a name that is not safe, or too long for a file. EIO, ENOMEM. */
caface_status cafi_tree_save(const char *folder, const char *name, const void *bytes, size_t size,
                             caface_error *err);

#endif
