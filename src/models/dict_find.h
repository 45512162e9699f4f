/* Where in a file's tensors a backbone lies. Training code wraps networks in
 * each other, so the same weights are called `body.0...`, `model.body.0...`,
 * `module.backbone.body.0...` or `state_dict.ema.0.body.0...`. What stands in
 * front is not guessed from a list: it is whatever stands in front of a name
 * that every network of a family has. */
#ifndef CAFI_MODELS_DICT_FIND_H
#define CAFI_MODELS_DICT_FIND_H

#include "files/tensor.h"

/* Places in one file at most; what lies further back is not looked at. */
#define CAFI_MAX_PLACES 16

/* The first `size` bytes of `name`, "" or ending in a dot. */
typedef struct cafi_place {
    const char *name; /* borrowed from a tensor */
    size_t size;
} cafi_place;

/* Fills out [CAFI_MAX_PLACES] with the different places of networks, in the
 * tensors' order, and returns their number. */
size_t cafi_dict_places(const cafi_tensor *const *tensors, size_t count, cafi_place *out);

/* True when key chooses the place: "ema", "ema." and "ema.module" all choose
 * "ema.module."; "" chooses the place without a name. */
bool cafi_place_is(const cafi_place *place, const char *key);

/* Why there is no place: the family whose names are most like the tensors', and
 * the name that it would have. Fills the error and returns EMODEL. */
caface_status cafi_dict_nearest(const cafi_tensor *const *tensors, size_t count, caface_error *err);

#endif
