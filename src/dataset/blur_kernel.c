#include "dataset/blur_kernel.h"

#include <math.h>
#include <string.h>

static void bring_to_one(float *kernel, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += (double)kernel[i];
    for (size_t i = 0; i < n; i++)
        kernel[i] = (float)((double)kernel[i] / sum);
}

size_t cafi_blur_gaussian(float *kernel, double sigma)
{
    size_t side = (size_t)fmax((sigma < 3.0 ? 3.3 : 2.9) * sigma, 5.0) | 1;

    memset(kernel, 0, side * sizeof *kernel);
    kernel[side / 2] = 1.0f;
    if (sigma < 1e-3)
        return side;
    for (size_t i = 0; i < side; i++) {
        double x = ((double)i - (double)(side / 2)) / sigma;

        kernel[i] = (float)exp(-0.5 * x * x);
    }
    bring_to_one(kernel, side);
    return side;
}

/* The line before it is turned, at height v of side cells, 0 in the middle; between
 * cells it is linear, as it is to nothing beyond the last one. */
static double line_at(double v, size_t side, double d)
{
    double last = (double)(side - 1);
    double at = v + last / 2.0;
    double inside = fmin(fmax(at, 0.0), last);

    return fmax(0.0, 1.0 - fabs(at - inside)) * (d + (1.0 - 2.0 * d) * inside / last);
}

size_t cafi_blur_motion(float *kernel, size_t k, double degrees, double direction)
{
    size_t side = k | 1;
    double c = cos(degrees * 3.141592653589793 / 180.0);
    double s = sin(degrees * 3.141592653589793 / 180.0);
    double d = (direction + 1.0) / 2.0;

    for (size_t i = 0; i < side * side; i++) {
        double x = (double)(i % side) - (double)(side / 2);
        double y = (double)(i / side) - (double)(side / 2);
        double across = c * x + s * y;

        kernel[i] = (float)(fmax(0.0, 1.0 - fabs(across)) * line_at(c * y - s * x, side, d));
    }
    bring_to_one(kernel, side * side);
    return side;
}

size_t cafi_blur_random_gaussian(float *kernel, cafi_rng *rng)
{
    return cafi_blur_gaussian(kernel, cafi_rng_range(rng, 0.0, 4.0));
}

size_t cafi_blur_random_motion(float *kernel, cafi_rng *rng)
{
    size_t k = 5 + (size_t)cafi_rng_below(rng, 15);
    double degrees = (double)cafi_rng_below(rng, 90) - 45.0;

    return cafi_blur_motion(kernel, k, degrees, cafi_rng_range(rng, -1.0, 1.0));
}
