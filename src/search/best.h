/* The rows that may be among the k best of one query. */
#ifndef CAFI_SEARCH_BEST_H
#define CAFI_SEARCH_BEST_H

#include "search/index.h"

/* A row and where its score lies; both ends are the score once it has been computed. */
typedef struct cafi_candidate {
    float upper, lower;
    uint32_t row;
} cafi_candidate;

/* Candidates that one worker has met. A row whose upper end is below the limit is not among
 * the best. */
typedef struct cafi_best {
    cafi_candidate *items; /* [room] */
    size_t count;
} cafi_best;

/* The exact scores of one query: what a worker needs for them. */
typedef struct cafi_scorer {
    const caface_index *index;
    const cafi_kernels *kernels;
    const float *query;
    float *row;      /* [C], scratch */
    float *ends;     /* scratch for as many numbers as there may be candidates */
    size_t rescored; /* how many it has computed */
} cafi_scorer;

/* Room for candidates of a search for k: enough that cutting them down is rare. */
size_t cafi_best_room(size_t k);

/* Drops what is not among the k best by the candidates' intervals. limit rises. */
void cafi_best_cut(cafi_best *best, size_t k, float *limit, float *ends);

/* Computes scores as far as they matter, and leaves the best k or fewer, in order, with
 * their scores; none is below limit, which rises. Equal scores are in the order of rows. */
void cafi_best_settle(cafi_best *best, size_t k, float *limit, cafi_scorer *scorer);

#endif
