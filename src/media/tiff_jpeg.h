/* TIFF files whose pixels are JPEGs (compression 7), which FFmpeg's decoder does not take:
 * every strip or tile is one, and they share their tables. Source: TIFF Technical Note 2. */
#ifndef CAFI_MEDIA_TIFF_JPEG_H
#define CAFI_MEDIA_TIFF_JPEG_H

#include "media/profile.h"

/* The compression of the first picture: 1 none, 5 LZW, 6 JPEG as it was before the note, 7
 * JPEG...; 0 for what is no TIFF. */
unsigned cafi_tiff_compression(const unsigned char *bytes, size_t size);

/* A picture of compression 7: grey, R G B or Y Cb Cr of 8 bits. about gets orientation and
 * profile. EFORMAT: damaged. EUNSUPPORTED: other colours, or planes of their own. ELIMIT. */
caface_status cafi_tiff_jpeg_decode(cafi_image *out, const unsigned char *bytes, size_t size,
                                    cafi_image_about *about, caface_error *err);

#endif
