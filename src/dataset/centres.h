/* Class centres: what templates are trained towards. */
#ifndef CAFI_DATASET_CENTRES_H
#define CAFI_DATASET_CENTRES_H

#include "dataset/store.h"

/* Reads the tensor center.weight (or center) [classes][C] of any file and puts
 * it in the order of the store's classes: by the names in the metadata
 * ("class_names") where there are any, else by number. *out [classes][C] is the
 * caller's. EMODEL names the class that has no centre, or both widths. */
caface_status cafi_centres_load(float **out, const char *path, const cafi_store *store,
                                caface_error *err);

/* Writes center.weight [classes][C] with the classes' names. */
caface_status cafi_centres_save(const char *path, const float *centres, const char *const *names,
                                size_t classes, size_t C, caface_error *err);

#endif
