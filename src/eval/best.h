/* Best of N: a template against every picture of another by itself, of which the largest
 * cosine counts. No fusion takes part on the pictures' side. */
#ifndef CAFI_EVAL_BEST_H
#define CAFI_EVAL_BEST_H

#include "eval/pairs.h"
#include "eval/subject_list.h"
#include "eval/template_set.h"

/* The pictures of a gallery's entries, one entry after the other. */
typedef struct cafi_pictures {
    size_t *first; /* [count + 1]: of every entry; an entry without a valid row has none */
    float *unit;   /* [first[count]][C], of length 1 (or 0) */
} cafi_pictures;

/* The rows of every template in the gallery. Zero-initialise *out; ENOMEM: it is empty. */
caface_status cafi_pictures_new(cafi_pictures *out, const cafi_template_set *templates,
                                const cafi_feature_set *set, const cafi_subject_list *gallery,
                                caface_error *err);
void cafi_pictures_free(cafi_pictures *pictures);

/* score[i] = the largest of fused[b] . p over the pictures p of a, for every pair; 0 where a
 * has no valid row.
 *   fused f32 [list->count][C], of length 1 (or 0)
 * The bits do not depend on the number of threads. ENOMEM. */
caface_status cafi_scores_best(float *score, const float *fused, const cafi_template_set *templates,
                               const cafi_feature_set *set, const cafi_pair *pairs, size_t n,
                               cafi_pool *pool, caface_error *err);

#endif
