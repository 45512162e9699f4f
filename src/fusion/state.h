/* The state of a set, whose size does not depend on the number of faces: masses,
 * centre features and centre styles, in double; or the exact sums of a restoring
 * fusion. */
#ifndef CAFI_FUSION_STATE_H
#define CAFI_FUSION_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct cafi_state {
    bool empty; /* nothing merged yet: all zero */
    /* Cluster and Aggregate */
    size_t M, C, D;
    double *mass;  /* [M], sums of assignments */
    double *mu;    /* [M][C], centre features */
    double *style; /* [M][D], centre styles */
    /* Restore: math/exact.h */
    size_t sums;      /* 0 for a state of Cluster and Aggregate */
    int64_t *hi;      /* [sums] */
    int64_t *lo;      /* [sums] */
    size_t uncarried; /* terms since the last carry */
} cafi_state;

/* An empty state. The three arrays are one allocation, in this order. */
caface_status cafi_state_new(cafi_state *state, size_t M, size_t C, size_t D, caface_error *err);
/* An empty state of exact sums. */
caface_status cafi_state_new_sums(cafi_state *state, size_t sums, caface_error *err);
/* An empty state of the same kind and sizes. */
caface_status cafi_state_new_like(cafi_state *state, const cafi_state *other, caface_error *err);
void cafi_state_free(cafi_state *state);
void cafi_state_clear(cafi_state *state);
/* Numbers of a cluster state in all: M * (1 + C + D). They begin at state->mass. */
size_t cafi_state_size(const cafi_state *state);
/* to = from; sizes agree. */
void cafi_state_copy(cafi_state *to, const cafi_state *from);

/* The sequential update (paper, equation of the weighted mean):
 *   mu <- (a mu + a' mu') / max(a + a', 1e-6), styles alike, a <- a + a'.
 * Into an empty state, from is copied. Exact sums are added. Sizes agree; to and from
 * differ. */
void cafi_state_merge(cafi_state *to, const cafi_state *from);

/* False when any number of a cluster state is NaN or Inf: features or styles beyond
 * what floats hold. */
bool cafi_state_is_finite(const cafi_state *state);

/* Carries exact sums, if n more terms could make them wrap otherwise. */
void cafi_state_make_room(cafi_state *state, size_t n);
/* Carries exact sums: one pair of integers for one value. */
void cafi_state_carry(cafi_state *state);

#endif
