/* How good a model is on a feature set of degraded probes. */
#ifndef CAFI_TRAIN_VALIDATE_H
#define CAFI_TRAIN_VALIDATE_H

#include "files/feature_set.h"

typedef struct cafi_validation cafi_validation;

/* A feature set with raw styles whose index has the columns template and label
 * (the person). Every two templates are a pair, genuine where their labels are
 * equal. EMODEL: no such columns, no raw styles, other widths than C and S, no
 * genuine or no impostor pair. ELIMIT: more than 20,000 templates. */
caface_status cafi_validation_open(cafi_validation **out, const char *path, size_t C, size_t S,
                                   caface_error *err);
void cafi_validation_close(cafi_validation *validation);

/* TAR at FAR 1e-2 of the fusion model in a file, with chunks of 512 faces. */
caface_status cafi_validation_run(cafi_validation *validation, const char *model, size_t threads,
                                  double *tar, caface_error *err);

#endif
