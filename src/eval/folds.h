/* Ten-fold accuracy of image pairs, as LFW is reported. */
#ifndef CAFI_EVAL_FOLDS_H
#define CAFI_EVAL_FOLDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#define CAFI_FOLDS 10

typedef struct cafi_folds {
    size_t pairs, genuine;
    double accuracy;  /* mean over the folds */
    double std;       /* over the folds, divided by their number */
    double threshold; /* mean over the folds, as a cosine */
    double fold[CAFI_FOLDS];
} cafi_folds;

/* score [n] are cosines. The folds are consecutive, the first n mod 10 of them
 * one pair longer. The threshold of a fold is the one with the best accuracy on
 * the other nine; it is searched as InsightFace does, on the squared distance
 * 2 - 2 cos in steps of 0.01 from 0 to 3.99, the first of equally good ones,
 * same person below it. EINVAL: fewer than ten pairs, NaN or Inf. */
caface_status cafi_folds_compute(cafi_folds *out, const float *score, const bool *same, size_t n,
                                 caface_error *err);

#endif
