/* caface/version.h - the version of the headers and of the library. */
#ifndef CAFACE_VERSION_H
#define CAFACE_VERSION_H

#include "caface/status.h"

#define CAFACE_VERSION_MAJOR 0
#define CAFACE_VERSION_MINOR 1
#define CAFACE_VERSION_PATCH 0
#define CAFACE_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is running, such as "0.1.0": compare it with
 * CAFACE_VERSION to see whether header and library agree. Static. Any thread. */
CAFACE_API const char *caface_version(void);

#ifdef __cplusplus
}
#endif
#endif
