/* The state of a set: masses, centre features and centre styles, in double. Its
 * size does not depend on the number of faces. */
#ifndef CAFI_FUSION_STATE_H
#define CAFI_FUSION_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct cafi_state {
    size_t M, C, D;
    bool empty;    /* nothing merged yet: all zero */
    double *mass;  /* [M], sums of assignments */
    double *mu;    /* [M][C], centre features */
    double *style; /* [M][D], centre styles */
} cafi_state;

/* An empty state. The three arrays are one allocation, in this order. */
caface_status cafi_state_new(cafi_state *state, size_t M, size_t C, size_t D, caface_error *err);
void cafi_state_free(cafi_state *state);
void cafi_state_clear(cafi_state *state);
/* Numbers in all: M * (1 + C + D). They begin at state->mass. */
size_t cafi_state_size(const cafi_state *state);
/* to = from; sizes agree. */
void cafi_state_copy(cafi_state *to, const cafi_state *from);

/* The sequential update (paper, equation of the weighted mean):
 *   mu <- (a mu + a' mu') / max(a + a', 1e-6), styles alike, a <- a + a'.
 * Into an empty state, from is copied. Sizes agree; to and from differ. */
void cafi_state_merge(cafi_state *to, const cafi_state *from);

/* False when any number is NaN or Inf: features or styles beyond what floats
 * hold. */
bool cafi_state_is_finite(const cafi_state *state);

#endif
