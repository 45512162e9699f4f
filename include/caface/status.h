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
    CAFACE_ENOMEM,       /* memory could not be had */
    CAFACE_EIO,          /* the system refused: open, read, write, map */
    CAFACE_EFORMAT,      /* bytes that are not a valid file of their format */
    CAFACE_EMODEL,       /* model and data, or two states, do not fit together */
    CAFACE_ELIMIT,       /* valid, but beyond a documented limit */
    CAFACE_EUNSUPPORTED, /* valid, but not supported by this build or machine */
    CAFACE_ECANCELLED    /* a progress callback asked to stop */
} caface_status;

/* Room for the sentence, the final NUL included. */
#define CAFACE_ERROR_SIZE 512

/* Owned by the caller, on the stack as a rule. A call that succeeds leaves it
 * as it was; a call that fails fills both members. Passing NULL is allowed. */
typedef struct caface_error {
    caface_status status;
    char message[CAFACE_ERROR_SIZE];
} caface_error;

/* Called now and then from the calling thread of long work, with what is done so far (each call
 * says what it counts); 0 stops the work with ECANCELLED, anything else goes on. */
typedef int (*caface_progress)(void *context, size_t done);

/* The name of a status, such as "EINVAL"; "unknown" for any other number.
 * A static string. Any thread. */
CAFACE_API const char *caface_status_name(caface_status status);

#ifdef __cplusplus
}
#endif
#endif
