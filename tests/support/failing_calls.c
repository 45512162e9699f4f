#include "failing_calls.h"

#include <string.h>

#include "base/mem.h"

/* Allocations of one call; none of these makes as many. */
#define MOST 20000
/* Up to here every one is tried. */
#define ALL_UP_TO 150

static uint64_t which; /* the allocation that fails */
static uint64_t failed;

void failing_arm(void)
{
    cafi_mem_fail(which, 1);
}

void failing_disarm(void)
{
    failed = cafi_mem_failures();
    cafi_mem_fail(0, 0);
}

/* One run. False when the call makes fewer than `which` allocations. */
static bool run(const failing_call *c)
{
    caface_error err = {CAFACE_OK, ""};
    caface_status st = c->call(&err);

    if (!failed) {
        if (st)
            print_message("# %s: %s\n", c->name, err.message);
        assert_int_equal(st, CAFACE_OK);
        return false;
    }
    if (c->may_do_without && (!st || strstr(err.message, "oneDNN refuses")))
        return true;
    if (st != CAFACE_ENOMEM || err.status != CAFACE_ENOMEM)
        print_message("# %s, allocation %llu: %s, %s\n", c->name, (unsigned long long)which,
                      caface_status_name(st), err.message);
    assert_int_equal(st, CAFACE_ENOMEM);
    assert_int_equal(err.status, CAFACE_ENOMEM);
    return true;
}

void failing_calls(const failing_call *calls, size_t n, size_t step)
{
    size_t total = 0;

    for (size_t i = 0; i < n; i++)
        for (which = 1; run(&calls[i]); which += which < ALL_UP_TO ? 1 : step) {
            assert_true(which < MOST);
            total++;
        }
    print_message("# %zu allocations failed\n", total);
    assert_true(total > 0);
}
