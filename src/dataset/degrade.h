/* Frames as a surveillance camera would give them, made from clean face crops.
 *
 * A frame has a severity t, uniform in 0..1, and suffers in this order:
 *   crop jitter     zoom by 1 +- 0.1, rotation by up to 8 degrees, shift by up to
 *                   6 % of the side: the detector was not exact
 *   blur            gaussian, sigma 0.3 to 1 + 2 t pixels: out of focus
 *   motion          in half of the frames: along a line of 3 to 3 + 10 t pixels,
 *                   in any direction
 *   low resolution  reduced by area to 1/2 .. 1/(2 + 8 t) of the side
 *   noise           normal, deviation 2 to 4 + 14 t levels, at that resolution
 *   JPEG            quality 70 down to 60 - 45 t, at that resolution
 * and is brought back to its size by cubic interpolation. All is drawn from the
 * seed, the picture's key and the frame's number. */
#ifndef CAFI_DATASET_DEGRADE_H
#define CAFI_DATASET_DEGRADE_H

#include "dataset/picture.h"

/* Scratch of one thread. */
typedef struct cafi_degrade cafi_degrade;

/* For crops of this size, 16 to 4096 on a side. EINVAL, ENOMEM. */
caface_status cafi_degrade_new(cafi_degrade **out, size_t width, size_t height, caface_error *err);
void cafi_degrade_free(cafi_degrade *degrade);

/* out and crop u8 [height][width][3], no overlap. ENOMEM. */
caface_status cafi_degrade_run(cafi_degrade *degrade, uint8_t *out, const uint8_t *crop,
                               uint64_t seed, uint64_t key, uint64_t frame, caface_error *err);

#endif
