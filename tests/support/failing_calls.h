/* Public calls whose allocations fail, one a run: ENOMEM and its sentence, never a crash. */
#ifndef CAFACE_TESTS_FAILING_CALLS_H
#define CAFACE_TESTS_FAILING_CALLS_H

#include "check.h"

#include <stdbool.h>

/* A test of one public call: it makes what it needs, arms, calls once, disarms, checks what a
 * failure must have left as it was, cleans up, and returns the call's status. */
typedef struct failing_call {
    const char *name;
    caface_status (*call)(caface_error *err);
    /* The call may do without what failed: files that a killed program left stay where they are;
     * or oneDNN has no memory to tell which kernels it has, and another one is chosen. */
    bool may_do_without;
} failing_call;

/* From arm to disarm the allocation fails that is this run's. */
void failing_arm(void);
void failing_disarm(void);
/* Every call of n with its k-th allocation failing: for k = 1, 2, ... 150, then in steps of
 * `step`, until a call makes fewer than k. */
void failing_calls(const failing_call *calls, size_t n, size_t step);

#endif
