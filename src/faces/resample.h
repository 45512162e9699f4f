/* Resizing with a triangle filter that widens when it shrinks, the bilinear
 * filter of Pillow: MTCNN's three networks are sensitive to the difference. */
#ifndef CAFI_FACES_RESAMPLE_H
#define CAFI_FACES_RESAMPLE_H

#include "base/status.h"
#include "media/view.h"

/* A resized copy, u8 [height][width][3], the caller's to free. Rows first, then
 * columns, rounded to 8 bits in between; each weight is a 22-bit fixed-point
 * number. All extents are at least 1. ENOMEM. Any thread. */
caface_status cafi_resample(uint8_t **out, const cafi_view *picture, size_t width, size_t height,
                            caface_error *err);

/* The same with Pillow's bicubic filter (a = -0.5, four times as wide), in plain code: for what
 * is resized once. (faces/resample_cubic.c) */
caface_status cafi_resample_cubic(uint8_t **out, const cafi_view *picture, size_t width,
                                  size_t height, caface_error *err);

/* The same as cafi_resample into memory that is used again, with the weights of sizes seen before.
 * Zero-initialise; clear at the end. */
typedef struct cafi_resampler {
    uint8_t *row, *middle, *result;
    size_t row_room, middle_room, result_room;
    struct cafi_resample_slot *slots;
} cafi_resampler;
void cafi_resampler_clear(cafi_resampler *resampler);
/* *out is good until the next call. */
caface_status cafi_resampler_run(cafi_resampler *resampler, const cafi_view *picture, size_t width,
                                 size_t height, cafi_view *out, caface_error *err);
/* The same of a part of the picture, which lies in it, as if it were one of its own. */
typedef struct cafi_part_of_view {
    size_t x, y, width, height;
} cafi_part_of_view;
caface_status cafi_resampler_part(cafi_resampler *resampler, const cafi_view *picture,
                                  const cafi_part_of_view *part, size_t width, size_t height,
                                  cafi_view *out, caface_error *err);

#endif
