/* The picture that a HEIF file shows, decoded by FFmpeg's codecs; the container is read here
 * (media/heif.h), so that any version does. */
#ifndef CAFI_MEDIA_STILL_HEIF_H
#define CAFI_MEDIA_STILL_HEIF_H

#include "media/heif.h"
#include "media/profile.h"

/* A coded picture or a grid of them, cropped, turned and mirrored as the file says, by its colour
 * matrix and range, transparency put on black; about gets its profile. kind is for sentences.
 * EFORMAT: damaged. EUNSUPPORTED: another kind of picture, or no codec. ELIMIT, ENOMEM. */
caface_status cafi_still_heif(cafi_image *out, const cafi_heif *heif, const char *kind,
                              cafi_image_about *about, caface_error *err);

#endif
