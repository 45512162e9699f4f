/* Bootstrap over subjects: how often each subject is drawn in each resample.
 *
 * A resample draws as many subjects as there are, with replacement. A genuine
 * pair of subject s then counts m(s) times, an impostor pair of s and t
 * m(s) m(t) times: pairs of one subject come and go together, which is what
 * makes the interval honest where a few subjects own many pairs. (Drawing pairs
 * instead would treat them as independent and give intervals far too narrow.) */
#ifndef CAFI_EVAL_RESAMPLING_H
#define CAFI_EVAL_RESAMPLING_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Resamples that are worked on at once, one in each lane of a vector. */
#define CAFI_LANES 16

typedef struct cafi_resampling {
    size_t subjects;
    size_t count;   /* resamples */
    size_t groups;  /* of CAFI_LANES, the last filled up with zeros */
    uint8_t *lanes; /* [groups][subjects][CAFI_LANES] multiplicities */
} cafi_resampling;

/* Resample r depends on (seed, r, subjects) alone. ELIMIT: a subject drawn more
 * than 255 times (it does not happen). */
caface_status cafi_resampling_new(cafi_resampling *out, size_t subjects, size_t count,
                                  uint64_t seed, caface_error *err);
void cafi_resampling_free(cafi_resampling *resample);

static inline const uint8_t *cafi_resampling_group(const cafi_resampling *r, size_t group)
{
    return r->lanes + group * r->subjects * CAFI_LANES;
}

/* The 95 % interval of count values: their 2.5th and 97.5th percentile, linear
 * between ranks. NaN values (a resample without a genuine pair, say) are left
 * out; NaN when none remain. Sorts values. */
void cafi_interval95(double *values, size_t count, double *low, double *high);

#endif
