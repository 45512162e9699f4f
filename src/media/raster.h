/* A picture in memory: its limits, and how it is turned upright. What reads and
 * writes files stands on it. */
#ifndef CAFI_MEDIA_RASTER_H
#define CAFI_MEDIA_RASTER_H

#include <stdbool.h>

#include "base/status.h"
#include "caface/image.h"
#include "media/view.h"

/* Limits, beyond which a picture is refused (ELIMIT) before memory for it is
 * had: pixels in all (300 MB decoded), pixels on a side, bytes of a file,
 * scans of a progressive JPEG, and scans times pixels. */
#define CAFI_IMAGE_MAX_PIXELS ((size_t)CAFACE_IMAGE_MAX_PIXELS)
#define CAFI_IMAGE_MAX_SIDE CAFACE_IMAGE_MAX_SIDE
#define CAFI_IMAGE_MAX_BYTES ((size_t)256 << 20)
#define CAFI_IMAGE_MAX_SCANS 200
#define CAFI_IMAGE_MAX_SCANNED ((size_t)2000000000)

/* Zero-initialise; free with cafi_image_clear. */
typedef struct cafi_image {
    uint8_t *rgb; /* u8 [height][width][3], owned */
    size_t width, height;
} cafi_image;

void cafi_image_clear(cafi_image *image);
cafi_view cafi_image_view(const cafi_image *image);

/* The limits of a picture's size: EFORMAT for none, ELIMIT. For decoders, before
 * their library takes memory for what the head announces. */
caface_status cafi_image_check(size_t width, size_t height, caface_error *err);
/* Memory for a picture of channels bytes a pixel, the limits checked. */
caface_status cafi_image_reserve(cafi_image *out, size_t width, size_t height, size_t channels,
                                 caface_error *err);

/* EXIF orientation 1..8 (1 is upright) applied to a picture: rows and columns
 * are swapped or mirrored. ENOMEM. */
caface_status cafi_image_orient(cafi_image *image, int orientation, caface_error *err);
/* The orientation in an EXIF block (a TIFF header and what follows); 1 where it
 * has none or makes no sense. */
int cafi_exif_orientation(const unsigned char *tiff, size_t size);

#endif
