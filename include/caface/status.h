/* caface/status.h - how every call of the library reports success or failure.
 *
 * Errors are values: a call returns a caface_status, and, where the caller
 * passes a caface_error, one sentence that names the thing and the numbers
 * that disagree. The library never prints, exits or aborts on input. */
#ifndef CAFACE_STATUS_H
#define CAFACE_STATUS_H

#if defined(__GNUC__) && !defined(CAFACE_STATIC)
#define CAFACE_API __attribute__((visibility("default")))
#else
#define CAFACE_API
#endif

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum caface_status {
    CAFACE_OK = 0,
    CAFACE_EINVAL,       /* an argument is wrong: null, out of range, NaN */
    CAFACE_ENOMEM,       /* out of memory */
    CAFACE_EIO,          /* the system refused: open, read, write, map */
    CAFACE_EFORMAT,      /* the bytes are not a valid file of their format */
    CAFACE_EMODEL,       /* a model and data, or two states, do not fit together */
    CAFACE_ELIMIT,       /* valid, but beyond a documented limit */
    CAFACE_EUNSUPPORTED, /* valid, but not supported by this build or machine */
    CAFACE_ECANCELLED    /* a progress callback asked to stop */
} caface_status;

/* Size of the message in bytes, with its final NUL. */
#define CAFACE_ERROR_SIZE 512

/* Owned by the caller, usually on the stack. A call that fails fills both members; a call that
 * succeeds does not write to it. NULL may be passed in its place. */
typedef struct caface_error {
    caface_status status;
    char message[CAFACE_ERROR_SIZE];
} caface_error;

/* Called from time to time during long work, in the thread that made the call. done is how much is
 * done so far (each function says what it counts). Return 0 to stop the work, which then fails with
 * ECANCELLED; any other value to go on. */
typedef int (*caface_progress)(void *context, size_t done);

/* The name of a status, such as "EINVAL"; "unknown" for any other number.
 * A static string. Any thread. */
CAFACE_API const char *caface_status_name(caface_status status);

#ifdef __cplusplus
}
#endif
#endif
