/* Rows of a feature set, wherever they lie in it, as arrays. */
#ifndef CAFI_FUSION_GATHER_H
#define CAFI_FUSION_GATHER_H

#include "base/threads.h"
#include "caface/set.h"
#include "files/feature_set.h"
#include "fusion/network.h"

/* Has the set what the method needs, in the sizes of the model, and were its compact
 * styles, where there are no raw ones, made with that model, and was the model trained
 * on features of that origin? model is NULL for the simple methods. EMODEL or EINVAL
 * names both numbers, or both hashes. */
caface_status cafi_gather_check(const cafi_feature_set *set, const caface_model *model,
                                caface_method method, caface_error *err);

/* Features of n rows: feat [n][C]. */
void cafi_gather_features(const cafi_feature_set *set, const size_t *rows, size_t n, float *feat);

/* Compact styles of n rows, [n][E]: made from raw styles where the set has
 * them, else read. Needs scratch of the model, and raw, [CAFI_STRIP][S][2].
 * EINVAL names the first row that holds NaN or Inf. */
caface_status cafi_gather_compact(const cafi_feature_set *set, const caface_model *model,
                                  cafi_scratch *scratch, float *raw, const size_t *rows, size_t n,
                                  float *compact, caface_error *err);

/* As cafi_gather_features; EINVAL names the first row that holds NaN or Inf. */
caface_status cafi_gather_checked(const cafi_feature_set *set, const size_t *rows, size_t n,
                                  float *feat, caface_error *err);

/* Which of the set's rows are free of NaN and Inf, in the features and, when
 * with_styles, in the styles that a model would read: valid [N]. ENOMEM. */
caface_status cafi_gather_valid(const cafi_feature_set *set, bool with_styles, cafi_pool *pool,
                                unsigned char *valid, caface_error *err);

#endif
