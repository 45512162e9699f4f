/* Similarity of templates: cosines of listed pairs. */
#ifndef CAFI_EVAL_SCORES_H
#define CAFI_EVAL_SCORES_H

#include "base/threads.h"
#include "eval/pairs.h"

/* score[i] = templates[a] . templates[b] for every pair.
 *   templates f32 [count][C], each of length 1 (or 0: its scores are 0)
 *   score     f32 [n]
 * A range of pairs that fills enough of (its as) x (its bs) goes through a
 * matrix product, any other through single dot products; the choice depends on
 * the pairs alone, so the bits do not depend on the number of threads. */
caface_status cafi_scores_pairs(float *score, const float *templates, size_t count, size_t C,
                                const cafi_pair *pairs, size_t n, cafi_pool *pool,
                                caface_error *err);

/* One dot product of n floats. */
float cafi_dot(const float *a, const float *b, size_t n);

#endif
