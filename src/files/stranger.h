/* What people have in place of a file when a download went wrong, and formats of other
 * programs: called by their names, with the way out. */
#ifndef CAFI_FILES_STRANGER_H
#define CAFI_FILES_STRANGER_H

#include <stddef.h>

#include "caface/status.h"

/* EFORMAT with a sentence for a Git LFS pointer, a web page, an empty file, a compressed
 * archive, a short text ("Entry not found"), weights of MXNet, HDF5 or TensorFlow Lite; OK
 * for whatever else the bytes may be, and err is untouched then. */
caface_status cafi_name_stranger(const void *bytes, size_t size, caface_error *err);

#endif
