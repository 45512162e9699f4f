/* What decodes JPEG and PNG; media/image.h is for everyone else. */
#ifndef CAFI_MEDIA_DECODERS_H
#define CAFI_MEDIA_DECODERS_H

#include "media/raster.h"

/* Given bytes that begin as their format does.
 * They call cafi_image_check as soon as they know the size. */
caface_status cafi_jpeg_decode(cafi_image *out, const unsigned char *bytes, size_t size,
                               bool allow_damaged, int *orientation, caface_error *err);
caface_status cafi_png_decode(cafi_image *out, const unsigned char *bytes, size_t size,
                              bool allow_damaged, int *orientation, caface_error *err);

/* Versions: "2.1.5" of libjpeg-turbo, "1.6.39" of libpng. Static. */
const char *cafi_jpeg_library(void);
const char *cafi_png_library(void);

#endif
