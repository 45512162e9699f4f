/* Pixels in a caller's memory, of any format of caface/image.h, as R G B. */
#ifndef CAFI_MEDIA_PIXELS_H
#define CAFI_MEDIA_PIXELS_H

#include <stdbool.h>

#include "caface/image.h"

/* A caller's struct, checked, in *out: with the strides filled in. what begins
 * the sentence. EINVAL: no such format or yuv, no pixels, a missing plane, a
 * stride shorter than a row. ELIMIT: CAFACE_IMAGE_MAX_SIDE and _PIXELS.
 * EUNSUPPORTED: members of a later version. */
caface_status cafi_pixels_check(caface_pixels *out, const caface_pixels *given, const char *what,
                                caface_error *err);

/* True when they are R G B without gaps already. */
bool cafi_pixels_are_packed(const caface_pixels *pixels);

/* rgb: u8 [height][width][3], written. pixels come from cafi_pixels_check. */
void cafi_pixels_to_rgb(uint8_t *rgb, const caface_pixels *pixels);

#endif
