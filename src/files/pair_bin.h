/* InsightFace's .bin pair sets (LFW, CFP-FP, AgeDB ...): a pickle of (list of
 * encoded pictures, list of booleans); pair i is pictures 2i and 2i + 1. Every
 * form that occurs is taken: pictures as bytes, bytearrays, numpy.bytes_ or
 * arrays of bytes; labels as booleans, whole or real numbers, numpy's or
 * Python's, in a list or an array; any protocol. Read as data, like every
 * pickle here. */
#ifndef CAFI_FILES_PAIR_BIN_H
#define CAFI_FILES_PAIR_BIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct cafi_pair_bin cafi_pair_bin;

/* EIO. EFORMAT: not such a pickle; a picture that is no bytes, a label that is
 * neither 0 nor 1, twice as many pictures as labels not given (both numbers). ELIMIT:
 * those of files/pickle.h. Every sentence starts with path. */
caface_status cafi_pair_bin_open(cafi_pair_bin **out, const char *path, caface_error *err);
void cafi_pair_bin_close(cafi_pair_bin *bin);

size_t cafi_pair_bin_pairs(const cafi_pair_bin *bin);
/* Labels [pairs]. Borrowed. */
const bool *cafi_pair_bin_same(const cafi_pair_bin *bin);
/* An encoded picture (JPEG or PNG, as a rule), i in [0, 2 * pairs). Borrowed. */
const void *cafi_pair_bin_picture(const cafi_pair_bin *bin, size_t i, size_t *size);

#endif
