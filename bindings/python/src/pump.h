/* Calls that cannot be asked to stop on the way: made in a thread of their own, while this one
 * looks for Ctrl-C. */
#ifndef CAFACE_PYTHON_PUMP_H
#define CAFACE_PYTHON_PUMP_H

#include "common.h"

typedef struct pump_kind {
    void (*work)(void *job); /* without the interpreter's lock */
    /* What an exception of a signal handler does: asks the work to stop, which is then waited
     * for; or, where it is NULL, gives the work up: it ends by itself, and release(job) follows. */
    void (*stop)(void *job);
    void (*release)(void *job);
} pump_kind;

/* 0: the work is done, and job is the caller's. -1 with an exception: it could not begin, or a
 * signal handler raised; with `release`, job is the caller's no more. */
int pump_run(const pump_kind *kind, void *job);

#endif
