/* Class centres: what templates are trained towards. */
#ifndef CAFI_DATASET_CENTRES_H
#define CAFI_DATASET_CENTRES_H

#include "dataset/store.h"
#include "files/feature_set.h"

/* How features of a class become its centre, which has length 1 in either case. */
typedef enum cafi_center_mean {
    CAFI_CENTER_UNIT, /* every feature counts with length 1, as in the release */
    CAFI_CENTER_RAW   /* as it is: long features count more */
} cafi_center_mean;

/* "unit" or "raw"; false when text is neither. */
bool cafi_center_mean_parse(cafi_center_mean *out, const char *text);

/* sum [C] += a feature; one of zeros has no direction and adds nothing. */
void cafi_center_add(double *sum, const float *feature, size_t C, cafi_center_mean mean);
/* to = sum [C], brought to length 1. False when it has no direction. */
bool cafi_center_finish(float *to, const double *sum, size_t C);

/* Centres of a feature set's rows by the column label. *out [classes][C], in the order
 * of the names; *names [classes], whose texts are the set's. Both arrays are the
 * caller's. EFORMAT: no labels, no rows, or a class whose features have no mean. */
caface_status cafi_centers_of_set(const cafi_feature_set *set, cafi_center_mean mean, float **out,
                                  const char ***names, size_t *classes, caface_error *err);

/* Reads the tensor center.weight (or center) [classes][C] of any file and puts
 * it in the order of the store's classes: by the names in the metadata
 * ("class_names") where there are any, else by order, or, where there are more centres than
 * classes, by the numbers that the classes are called. *out [classes][C] is the caller's. EMODEL
 * names the class that has no centre, both widths, or what made the one and the other. */
caface_status cafi_centres_load(float **out, const char *path, const cafi_store *store,
                                caface_error *err);

/* Writes center.weight [classes][C] with the classes' names, and what made the features (members
 * that are NULL are left out). */
caface_status cafi_centres_save(const char *path, const float *centres, const char *const *names,
                                size_t classes, size_t C, cafi_origin made, caface_error *err);

#endif
