/* caface/version.h - the version of the headers and of the library, and what is
 * promised between versions.
 *
 * Within 0.x, and as long as the soname stays libcaface.so.0:
 *  - A program that was built against an earlier version runs with a later one. No
 *    function is removed or changes its meaning, no enumerator changes its number, and
 *    caface_error stays as it is.
 *  - A struct of options or information grows at its end only. Its size is passed by
 *    the caller: the inline functions of these headers pass the size that the program
 *    was compiled with, nothing is written beyond it, and options which that program
 *    does not know are at their defaults.
 *  - A program that was built against a later version runs with an earlier one as long
 *    as it calls nothing that is missing there: an option that the library does not
 *    know is 0 by default, and one that was set to anything else is refused with
 *    CAFACE_EUNSUPPORTED. Information that the library does not have yet reads as 0.
 *  - Files that a version wrote (saved sets, feature sets) are read by every later one.
 * Only names that begin with caface_ are exported. */
#ifndef CAFACE_VERSION_H
#define CAFACE_VERSION_H

#include "caface/status.h"

#define CAFACE_VERSION_MAJOR 0
#define CAFACE_VERSION_MINOR 2
#define CAFACE_VERSION_PATCH 0
#define CAFACE_VERSION "0.2.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is running, such as "0.2.0": compare it with
 * CAFACE_VERSION to see whether header and library agree. Static. Any thread. */
CAFACE_API const char *caface_version(void);

#ifdef __cplusplus
}
#endif
#endif
