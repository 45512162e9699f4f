/* Pictures of the kinds that FFmpeg decodes: WebP, BMP, GIF (the first frame),
 * TIFF, AVIF, HEIC where its version can, JPEG of 12 bits. */
#ifndef CAFI_MEDIA_STILL_H
#define CAFI_MEDIA_STILL_H

#include "media/profile.h"

/* The kind of a picture that is not JPEG or PNG, by its first bytes: "WebP" and
 * so on; NULL: none that is known. Any thread. */
const char *cafi_still_kind(const unsigned char *bytes, size_t size);

/* Decodes the first frame; transparency is put on black, and a rotation that the
 * container states, and a colour profile, are in about. EFORMAT: damaged.
 * EUNSUPPORTED: no FFmpeg in this build, or none that decodes this kind.
 * ELIMIT: as for any picture. Any thread. */
caface_status cafi_still_decode(cafi_image *out, const unsigned char *bytes, size_t size,
                                cafi_image_about *about, caface_error *err);

#endif
