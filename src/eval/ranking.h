/* Pairs of one kind in the order of their scores, best first. */
#ifndef CAFI_EVAL_RANKING_H
#define CAFI_EVAL_RANKING_H

#include "eval/pairs.h"
#include "eval/resampling.h"

/* Sorted pairs that are summed together. */
#define CAFI_SEGMENT 512
/* A pair in sorted order. */
typedef struct cafi_ranked {
    uint32_t key;  /* cafi_score_key: ascending */
    uint32_t s, t; /* subjects */
} cafi_ranked;

/* Cut into segments that never cut a run of equal scores: each is either of at
 * most CAFI_SEGMENT pairs, or one run of equal scores. */
typedef struct cafi_ranking {
    cafi_ranked *entries;
    size_t count;
    size_t *segment; /* [segments + 1] */
    size_t segments;
} cafi_ranking;

/* The genuine or the impostor pairs of pairs [n] with a key of at most cut.
 *   score    [n]
 *   subject  of every template
 * ENOMEM. */
caface_status cafi_ranking_new(cafi_ranking *out, const cafi_pair *pairs, const float *score,
                               size_t n, const uint32_t *subject, bool genuine, uint32_t cut,
                               caface_error *err);
void cafi_ranking_free(cafi_ranking *ranking);

/* How often a pair counts in every resample of a group: m(s) m(t), or m(s)
 * within a subject. */
static inline void cafi_pair_weight(const uint8_t *group, uint32_t s, uint32_t t, uint16_t *weight)
{
    const uint8_t *a = group + (size_t)s * CAFI_LANES;
    const uint8_t *b = group + (size_t)t * CAFI_LANES;

    if (s == t)
        for (int l = 0; l < CAFI_LANES; l++)
            weight[l] = a[l];
    else
        for (int l = 0; l < CAFI_LANES; l++)
            weight[l] = (uint16_t)(a[l] * b[l]);
}

#endif
