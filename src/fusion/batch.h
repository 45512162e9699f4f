/* Many templates from one feature set: what `caface fuse` and the evaluation
 * run. Templates and the chunks of large ones are fused side by side; chunks
 * are merged in their order, so the bits do not depend on the number of
 * threads, and are those of a caface_set with expected_n. */
#ifndef CAFI_FUSION_BATCH_H
#define CAFI_FUSION_BATCH_H

#include "base/threads.h"
#include "caface/set.h"
#include "files/feature_set.h"
#include "fusion/groups.h"

typedef struct cafi_fuse_options {
    caface_method method;
    double norm_power;    /* of CAFACE_METHOD_NORM */
    size_t chunk;         /* 0: all at once; no part of a model that is a sum */
    const int64_t *media; /* [rows of the set], for CAFACE_METHOD_MEDIA */
    const float *scores;  /* [rows of the set], detectors' scores that multiply what faces add
                           * to a simple method's sum; NULL: 1 */
    cafi_pool *pool;      /* NULL: this thread. Borrowed */
    /* Called now and then from the calling thread with the number of faces done;
     * false stops the work with ECANCELLED. May be NULL. */
    bool (*progress)(void *ctx, size_t faces);
    void *progress_ctx;
} cafi_fuse_options;

/* Fuses every group of set's rows.
 *   templates  f32 [groups->T][set->C], in the order of groups->ids
 *   weights    f32 [set->N] or NULL: the weight of every row that is in a group,
 *              0 for the others; of a network only
 * model may be NULL for the simple methods. EMODEL: model and set do not fit.
 * EINVAL: NaN or Inf (names the row), no media, a score that is not finite or below 0 (names the
 * row), scores for a network. ELIMIT: a chunk is too large.
 * ECANCELLED. ENOMEM. On an error the outputs hold nothing useful. */
caface_status cafi_fuse_batch(const caface_model *model, const cafi_feature_set *set,
                              const cafi_groups *groups, const cafi_fuse_options *options,
                              float *templates, float *weights, caface_error *err);

/* The same for a model that is a sum; arguments are checked (batch_sum.c). */
caface_status cafi_fuse_batch_sum(const caface_model *model, const cafi_feature_set *set,
                                  const cafi_groups *groups, const cafi_fuse_options *options,
                                  float *templates, float *weights, caface_error *err);

/* Pushes n rows of a feature set into a face set (of the same model, method and
 * width), a bounded number at a time. media and progress as above. */
caface_status cafi_fuse_into(caface_set *to, const cafi_feature_set *set, const size_t *rows,
                             size_t n, const cafi_fuse_options *options, caface_error *err);

#endif
