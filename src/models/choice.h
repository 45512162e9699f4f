/* What a caller chooses about a backbone in place of what its file says: the members that the
 * options of an encoder and of a conversion have in common. */
#ifndef CAFI_MODELS_CHOICE_H
#define CAFI_MODELS_CHOICE_H

#include "models/network.h"

/* Borrowed; NULL and 0: not chosen. caface/encoder.h describes each. */
typedef struct cafi_choice {
    const char *const *taps;
    size_t tap_count;
    const char *styles;
    const char *input_order;
    const float *input_mean, *input_scale; /* [3] */
    const char *weights_key;
} cafi_choice;

/* Was anything chosen? */
bool cafi_choice_is_made(const cafi_choice *choice);
/* EINVAL, with `what` (the call) in front: too many taps or one without a name, taps and styles
 * both, styles that no network has, an order that is neither "rgb" nor "bgr", numbers that are not
 * finite. */
caface_status cafi_choice_check(const cafi_choice *choice, const char *what, caface_error *err);
/* Puts what was chosen of the input in place of what *input says. */
void cafi_choice_input(const cafi_choice *choice, cafi_input_convention *input);

#endif
