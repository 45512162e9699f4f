/* The simple methods: weighted sums of features, in double, in the order of the
 * faces. */
#ifndef CAFI_FUSION_BASELINE_H
#define CAFI_FUSION_BASELINE_H

#include "caface/set.h"
#include "math/kernels.h"

/* The faces of one media; without media, there is one of number 0. */
typedef struct cafi_media {
    int64_t id;
    uint64_t count;
    double *sum; /* [C] */
} cafi_media;

/* Zero-initialise, then set method, power, C and kernels. */
typedef struct cafi_baseline {
    caface_method method;
    double power;
    size_t C;
    const cafi_kernels *kernels;
    cafi_media *media; /* ascending by id */
    size_t count;
    size_t capacity;
} cafi_baseline;

void cafi_baseline_free(cafi_baseline *baseline);

/* Adds n faces; media [n], or NULL for every method but media; score [n] multiplies what
 * a face adds to the sum, or NULL. The result does not depend on how the faces are cut
 * into calls. ENOMEM: nothing was added. */
caface_status cafi_baseline_add(cafi_baseline *baseline, const float *feat, const int64_t *media,
                                const float *score, size_t n, caface_error *err);

/* Adds sums of another baseline of the same method. ENOMEM: nothing changed. */
caface_status cafi_baseline_merge(cafi_baseline *baseline, const cafi_baseline *from,
                                  caface_error *err);

/* The sums of a media, made when it is not there yet. Borrowed. ENOMEM. */
caface_status cafi_baseline_media(cafi_baseline *baseline, int64_t id, cafi_media **out,
                                  caface_error *err);

/* The template [C], of length 1, or 0 when the faces cancel out. */
caface_status cafi_baseline_template(const cafi_baseline *baseline, float *out, caface_error *err);

#endif
