/* The ROC curve of labelled scores: TAR at FAR, AUC, EER. */
#ifndef CAFI_EVAL_ROC_H
#define CAFI_EVAL_ROC_H

#include "base/status.h"
#include "eval/pairs.h"

/* The false accept rates that are reported, 1e-6 to 1e-1. */
#define CAFI_FARS 6
extern const double cafi_fars[CAFI_FARS];
extern const char *const cafi_far_names[CAFI_FARS]; /* "1e-06" .. "0.1", as JSON has them */

/* A false accept rate is supported by a sample when at least this many
 * impostors lie above the threshold: below 10 / impostors the figure is printed
 * and flagged. */
#define CAFI_MIN_FALSE_ACCEPTS 10

typedef struct cafi_roc {
    size_t genuine, impostor;
    double auc;
    double eer; /* where FAR = FRR, on the line between two points */
    double tar[CAFI_FARS];
    double far_at[CAFI_FARS];    /* FAR of the point that was taken */
    double threshold[CAFI_FARS]; /* scores >= it are accepted; infinity: none */
    bool supported[CAFI_FARS];
    double *far_curve, *tar_curve; /* [points], ascending: for plots, thinned */
    size_t points;
} cafi_roc;

/* score [n] belongs to pairs [n]. Two 4-byte arrays of n are the only large
 * memory; time is linear in n.
 *
 * TAR at a FAR is the release's: of the points of scikit-learn's
 * roc_curve(drop_intermediate=True) the one whose FPR is nearest, of equally
 * near ones that with the larger FPR, and of equal FPR the largest TPR. Equal
 * scores are one point. AUC is over all points (dropping changes nothing).
 * EINVAL: no genuine or no impostor pair, NaN or Inf. */
caface_status cafi_roc_compute(cafi_roc *out, const float *score, const cafi_pair *pairs, size_t n,
                               caface_error *err);
void cafi_roc_free(cafi_roc *roc);

#endif
