/* Making errors. Every failing path of the library ends in cafi_fail. */
#ifndef CAFI_BASE_STATUS_H
#define CAFI_BASE_STATUS_H

#include "caface/status.h"

/* Fills err (when not NULL) with one sentence and returns status. A sentence
 * that does not fit is cut. */
caface_status cafi_fail(caface_error *err, caface_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of the sentence in err, as a caller does that knows
 * the name of the file the callee did not know. Returns err's status, or
 * fallback when err is NULL. */
caface_status cafi_prefix(caface_error *err, caface_status fallback, const char *prefix);

/* ENOMEM with the number of bytes that were refused. */
caface_status cafi_fail_memory(caface_error *err, unsigned long long bytes);

#endif
