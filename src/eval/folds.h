/* Ten-fold accuracy of image pairs, as LFW is reported. */
#ifndef CAFI_EVAL_FOLDS_H
#define CAFI_EVAL_FOLDS_H

#include <stdbool.h>
#include <stddef.h>

#include "eval/resampling.h"

#define CAFI_FOLDS 10

typedef struct cafi_folds {
    size_t pairs, genuine; /* dropped ones not counted */
    size_t dropped;
    double accuracy;  /* mean over the folds */
    double std;       /* over the folds, divided by their number */
    double threshold; /* mean over the folds, as a cosine */
    double fold[CAFI_FOLDS];
} cafi_folds;

/* score [n] are cosines; NaN: a picture of the pair can't be used, and the pair
 * is left out of its fold. The folds are consecutive, the first n mod 10 of them
 * one pair longer. The threshold of a fold is the one with the best accuracy on
 * the other nine; it is searched as InsightFace does, on the squared distance
 * 2 - 2 cos in steps of 0.01 from 0 to 3.99, the first of equally good ones,
 * same person below it. EINVAL: fewer than ten pairs, a fold without a pair,
 * Inf. */
caface_status cafi_folds_compute(cafi_folds *out, const float *score, const bool *same, size_t n,
                                 caface_error *err);

/* accuracy [resample->count] of the same in each resample: a pair of subjects a
 * and b counts m(a) m(b) times, one of a single subject m(a) times, thresholds
 * are found anew, and a fold whose pairs all count 0 is left out of the mean.
 * NaN: no fold is left. The scores have passed cafi_folds_compute. */
void cafi_folds_bootstrap(double *accuracy, const float *score, const bool *same, const uint32_t *a,
                          const uint32_t *b, size_t n, const cafi_resampling *resample);

#endif
