/* From which similarity on two are called the same. */
#ifndef CAFACE_CLI_COMPARE_THRESHOLDS_H
#define CAFACE_CLI_COMPARE_THRESHOLDS_H

#include "compare/comparison.h"

#define CLI_DEFAULT_FAR 1e-3

/* c->thresholds of c->methods at c->far, as tools/threshold measures them on
 * data/sample. EINVAL: another FAR than CLI_DEFAULT_FAR, which only a file has.
 * NaN stands for a method that was not measured, norm of another power than 1. */
caface_status cli_thresholds_default(cafi_comparison *c, caface_error *err);

/* Has every method a threshold? EINVAL names one that has none. */
caface_status cli_thresholds_check(const cafi_comparison *c, caface_error *err);

/* The same from what `caface eval verify --json` wrote. Of several results of one
 * method the first is taken. EIO, EFORMAT: no such file; EINVAL: it has not the FAR,
 * or has too few pairs for it, or lacks a method. */
caface_status cli_thresholds_read(cafi_comparison *c, const char *path, caface_error *err);

#endif
