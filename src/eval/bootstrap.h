/* Intervals of TAR at FAR by the bootstrap over subjects, in bounded time: the
 * impostors are sorted once, and every resample walks only the best of them. */
#ifndef CAFI_EVAL_BOOTSTRAP_H
#define CAFI_EVAL_BOOTSTRAP_H

#include "base/threads.h"
#include "eval/resampling.h"
#include "eval/roc.h"

typedef struct cafi_bootstrap {
    cafi_resampling resample;
    const cafi_pair *pairs;  /* [n], borrowed */
    const uint32_t *subject; /* [templates], borrowed */
    size_t n;
    uint64_t *impostors; /* [groups * CAFI_LANES] weight of all impostor pairs */
    cafi_pool *pool;
} cafi_bootstrap;

/* Draws the resamples; the same for every method, so that methods can be
 * compared resample by resample. pairs and subject are borrowed. */
caface_status cafi_bootstrap_new(cafi_bootstrap *out, const cafi_pair *pairs, size_t n,
                                 const uint32_t *subject, size_t subjects, size_t count,
                                 uint64_t seed, cafi_pool *pool, caface_error *err);
void cafi_bootstrap_free(cafi_bootstrap *bootstrap);

/* TAR of every resample: tar [count][CAFI_FARS]; NaN where a resample has no
 * genuine or no impostor pair. The point of the curve is the one whose weighted
 * FAR is nearest, as in cafi_roc_compute (no point is dropped here). All sums
 * are of integers: the same for any number of threads. */
caface_status cafi_bootstrap_run(const cafi_bootstrap *bootstrap, const float *score, double *tar,
                                 caface_error *err);

#endif
