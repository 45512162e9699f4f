/* Structs whose size the caller says: how a public struct grows at its end while
 * programs that were built before it grew, or after, keep working. */
#ifndef CAFI_BASE_SIZED_H
#define CAFI_BASE_SIZED_H

#include <stddef.h>

#include "base/status.h"

/* Writes this library's struct `from` of `own` bytes into the caller's of `size`:
 * what fits, and zeros behind it. Nothing beyond size is written. */
void cafi_sized_out(void *to, size_t size, const void *from, size_t own);

/* Reads a caller's options of `size` bytes into *to, this library's, of `own` bytes,
 * which holds the defaults: members that the caller's struct does not have yet keep
 * them. least is where the first member that every version has ends.
 * EINVAL: fewer bytes than least (init was not called). EUNSUPPORTED: members that
 * this library does not know are not 0, which is their default by promise
 * (caface/version.h). what names the call. */
caface_status cafi_sized_in(void *to, size_t own, const void *from, size_t size, size_t least,
                            const char *what, caface_error *err);

#endif
