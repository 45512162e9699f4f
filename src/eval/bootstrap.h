/* Intervals of TAR at FAR, and of AUC and EER, by the bootstrap over subjects, in bounded time: the
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

/* AUC and EER of every resample, [count] each, by the rules of cafi_roc_compute;
 * NaN where a resample has no genuine or no impostor pair. Every impostor is
 * sorted and walked, so beyond CAFI_CURVE_PAIRS pairs, where that would take
 * longer than all the rest, they stay NaN. The same for any number of threads. */
#define CAFI_CURVE_PAIRS ((size_t)1 << 22)
caface_status cafi_bootstrap_curve(const cafi_bootstrap *bootstrap, const float *score, double *auc,
                                   double *eer, caface_error *err);

#endif
