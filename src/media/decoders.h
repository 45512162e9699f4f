/* What decodes JPEG and PNG; media/image.h is for everyone else. */
#ifndef CAFI_MEDIA_DECODERS_H
#define CAFI_MEDIA_DECODERS_H

#include "media/profile.h"

/* Given bytes that begin as their format does.
 * They call cafi_image_check as soon as they know the size. about, as it begins, takes what
 * the file says of orientation and colours; it is the caller's to clear. */
caface_status cafi_jpeg_decode(cafi_image *out, const unsigned char *bytes, size_t size,
                               bool allow_damaged, cafi_image_about *about, caface_error *err);
caface_status cafi_png_decode(cafi_image *out, const unsigned char *bytes, size_t size,
                              bool allow_damaged, cafi_image_about *about, caface_error *err);

/* Versions: "2.1.5" of libjpeg-turbo, "1.6.39" of libpng. Static. */
const char *cafi_jpeg_library(void);
const char *cafi_png_library(void);

#endif
