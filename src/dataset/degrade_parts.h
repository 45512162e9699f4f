/* Inside of dataset/degrade: its scratch and its steps. For degrade*.c only. */
#ifndef CAFI_DATASET_DEGRADE_PARTS_H
#define CAFI_DATASET_DEGRADE_PARTS_H

#include "base/rng.h"
#include "dataset/degrade.h"

#define DEGRADE_PI 3.14159265358979323846
#define DEGRADE_CLIP 8 /* frames of a clip */

struct cafi_degrade {
    cafi_image a, b; /* of the crop's size at most; they take turns */
    size_t width, height;
    uint8_t *clip; /* [DEGRADE_CLIP] pictures */
    cafi_buf scratch, jpeg;
};

/* The picture is in d->a before and after each step; degrade_swap makes d->b the
 * one at hand. */
void degrade_swap(cafi_degrade *d);
void degrade_jitter(cafi_degrade *d, cafi_rng *rng);
caface_status degrade_gaussian(cafi_degrade *d, double sigma, caface_error *err);
caface_status degrade_shake(cafi_degrade *d, double length, double angle, caface_error *err);
caface_status degrade_reduce(cafi_degrade *d, double factor, caface_error *err);
void degrade_noise(cafi_degrade *d, double deviation, cafi_rng *rng);
caface_status degrade_jpeg(cafi_degrade *d, int quality, caface_error *err);
/* Turned by angle and scaled by zoom about the middle, then shifted. */
void degrade_move(const cafi_image *from, cafi_image *to, double angle, double zoom, double dx,
                  double dy);
/* Any kind but camera and augment. */
caface_status degrade_kind(cafi_degrade *d, cafi_degrade_kind kind, double t, cafi_rng *rng,
                           caface_error *err);

#endif
