/* One golden configuration: a model, and sets of N faces with the numbers that
 * the authors' code gave. */
#ifndef CAFACE_TESTS_FUSION_DATA_H
#define CAFACE_TESTS_FUSION_DATA_H

#include "check.h"

/* An array of an .npy file as floats; the caller frees. Fails the test when it
 * cannot be read. shape may be NULL. */
float *golden_array(const char *path, size_t *count, size_t shape[8]);
/* Is there such a file or folder? */
int golden_exists(const char *path);

#endif
