/* What augmentation does to pixels. Pictures are u8 [height][width][3]; results
 * are rounded to nearest. No function may work in place. */
#ifndef CAFI_DATASET_PICTURE_H
#define CAFI_DATASET_PICTURE_H

#include "base/mem.h"
#include "media/raster.h"

typedef enum cafi_interpolation {
    CAFI_NEAREST,
    CAFI_LINEAR,
    CAFI_AREA,    /* every pixel by the area it covers */
    CAFI_CUBIC,   /* a = -0.75, 4 pixels */
    CAFI_LANCZOS, /* 8 pixels */
    CAFI_RESAMPLE_COUNT
} cafi_interpolation;

/* to has its size set and its memory. As OpenCV: pixel centres at halves, the
 * edge repeated, no smoothing before a reduction except by CAFI_AREA. scratch is
 * kept from call to call. ENOMEM. */
caface_status cafi_picture_resize(cafi_image *to, const cafi_image *from, cafi_interpolation how,
                                  cafi_buf *scratch, caface_error *err);

/* to[y][x] = from at (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]), bilinear,
 * black outside. Same sizes. */
void cafi_picture_warp(cafi_image *to, const cafi_image *from, const double m[6]);

/* Convolution with a kernel [k][k], k <= CAFI_MAX_KERNEL, centred at k/2; beyond
 * the edge the picture is mirrored without repeating the edge. */
#define CAFI_MAX_KERNEL 31
caface_status cafi_picture_filter(cafi_image *to, const cafi_image *from, const float *kernel,
                                  size_t k, cafi_buf *scratch, caface_error *err);

/* The same with the product of a column and a row, both [k]. */
caface_status cafi_picture_blur(cafi_image *to, const cafi_image *from, const float *kernel,
                                size_t k, cafi_buf *scratch, caface_error *err);

/* In place, as torchvision defines them: brightness x f; contrast and saturation
 * blend with the mean grey and with each pixel's grey. */
void cafi_picture_brightness(cafi_image *p, float factor);
void cafi_picture_contrast(cafi_image *p, float factor);
void cafi_picture_saturation(cafi_image *p, float factor);
/* In place: left and right exchanged. */
void cafi_picture_mirror(cafi_image *p);
/* In place: black outside the box. */
void cafi_picture_keep(cafi_image *p, size_t left, size_t top, size_t width, size_t height);

#endif
