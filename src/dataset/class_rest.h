/* A class's centre without some of its pictures: a target that a set's own pictures have no
 * part in, so that a template is not trained to keep what is theirs alone. */
#ifndef CAFI_DATASET_CLASS_REST_H
#define CAFI_DATASET_CLASS_REST_H

#include "dataset/store.h"

/* x [C] at length 1; zeros stay. */
void cafi_direction(float *x, size_t C);

/* sums [classes][C] += the unit clean features of every class. EMODEL: the store has no clean
 * features. EFORMAT: a row that is not finite. ENOMEM. */
caface_status cafi_class_sums(double *sums, const cafi_store *store, caface_error *err);

/* target [C] = the direction of the sum [C] over a class of `count` pictures without the n
 * different ones whose unit clean features `shown` points to. False, and target as it was, where
 * none is left. rest [C] is overwritten. */
bool cafi_class_rest(float *target, const double *sum, size_t count, const float *const *shown,
                     size_t n, size_t C, double *rest);

#endif
