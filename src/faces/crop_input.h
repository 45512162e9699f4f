/* Pictures that are crops already, as pictures to encode. */
#ifndef CAFI_FACES_CROP_INPUT_H
#define CAFI_FACES_CROP_INPUT_H

#include "faces/encode.h"
#include "faces/sources.h"

/* What the input's functions look at. */
typedef struct cafi_crop_input {
    const cafi_sources *sources;
    size_t height, width;
    char template_id[24];
} cafi_crop_input;

/* Pictures of the size that the encoder takes; any other is a failure. Columns:
 * source, and, where pictures have labels, template and label. An old set must
 * hold rows of these sources in this order (some may be missing). crops and
 * sources are borrowed and outlive the input. */
cafi_encode_input cafi_crop_input_new(cafi_crop_input *crops, const cafi_sources *sources,
                                      const cafi_encoder *encoder);

#endif
