/* Kernels of the blurs that training sees, as the release draws them. All sum to 1. */
#ifndef CAFI_DATASET_BLUR_KERNEL_H
#define CAFI_DATASET_BLUR_KERNEL_H

#include <stddef.h>

#include "base/rng.h"

/* The longest side of a kernel here. */
#define CAFI_BLUR_SIDE 19

/* A row [side] of a Gaussian of sigma 0 to 5: 3.3 sigma long, 2.9 sigma from sigma 3 on,
 * rounded down, but 5 at least, and made odd. Returns the side. */
size_t cafi_blur_gaussian(float *kernel, double sigma);

/* A line [side][side] of k cells, made odd, k at most 19: upright and then turned, its
 * weights rising or falling evenly from d to 1 - d, d = (direction + 1) / 2, direction
 * -1 to 1. Returns the side. */
size_t cafi_blur_motion(float *kernel, size_t k, double degrees, double direction);

/* One at random: sigma 0 to 4; k 5 to 19, whole degrees of -45 to 44, direction -1 to 1. */
size_t cafi_blur_random_gaussian(float *kernel, cafi_rng *rng);
size_t cafi_blur_random_motion(float *kernel, cafi_rng *rng);

#endif
