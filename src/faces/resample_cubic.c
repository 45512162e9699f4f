#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "faces/resample.h"
#include "faces/resample_kernels.h"

/* The weights of one output position: which inputs count, and how much. */
typedef struct taps {
    size_t first, count;
    int32_t *weight; /* [count], of 1 << CAFI_WEIGHT_BITS */
} taps;

/* Keys' cubic with a = -0.5. */
static double cubic(double x)
{
    const double a = -0.5;

    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    return x < 2.0 ? (((x - 5.0) * x + 8.0) * x - 4.0) * a : 0.0;
}

/* Room in `weight` is for all inputs within the support. */
static void fill(taps *t, size_t in, size_t out, size_t o)
{
    double scale = (double)in / (double)out, shrink = fmax(scale, 1.0), support = 2.0 * shrink;
    double centre = ((double)o + 0.5) * scale, sum = 0.0;
    double low = fmax(0.0, floor(centre - support + 0.5));
    double high = fmin((double)in, floor(centre + support + 0.5));

    t->first = (size_t)low;
    t->count = (size_t)(high - low);
    for (size_t k = 0; k < t->count; k++)
        sum += cubic(((double)k + low - centre + 0.5) / shrink);
    for (size_t k = 0; k < t->count; k++) {
        double w = cubic(((double)k + low - centre + 0.5) / shrink);
        double fixed = (sum != 0.0 ? w / sum : w) * (double)(1 << CAFI_WEIGHT_BITS);

        t->weight[k] = (int32_t)(fixed < 0.0 ? fixed - 0.5 : fixed + 0.5);
    }
}

/* to[i] = the weighted sum of from[i + k * step], for i below n. */
static void apply(uint8_t *to, const uint8_t *from, const taps *t, size_t step, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t sum = (int64_t)1 << (CAFI_WEIGHT_BITS - 1);

        for (size_t k = 0; k < t->count; k++)
            sum += (int64_t)t->weight[k] * from[i + k * step];
        sum = sum < 0 ? 0 : sum >> CAFI_WEIGHT_BITS; /* a cubic overshoots */
        to[i] = (uint8_t)(sum > 255 ? 255 : sum);
    }
}

caface_status cafi_resample_cubic(uint8_t **out, const cafi_view *picture, size_t width,
                                  size_t height, caface_error *err)
{
    size_t in = picture->width * 3, row = width * 3, longer = picture->width;
    uint8_t *middle = NULL;
    taps t = {0};
    caface_status st;

    longer = picture->height > longer ? picture->height : longer;
    *out = NULL;
    (void)((st = cafi_alloc(&middle, picture->height, row, err)) ||
           (st = cafi_alloc(out, height, row, err)) || (st = CAFI_NEW(&t.weight, longer, err)));
    for (size_t x = 0; !st && x < width; x++) {
        fill(&t, picture->width, width, x);
        for (size_t y = 0; y < picture->height; y++)
            apply(middle + y * row + x * 3, picture->rgb + y * in + t.first * 3, &t, 3, 3);
    }
    for (size_t y = 0; !st && y < height; y++) {
        fill(&t, picture->height, height, y);
        apply(*out + y * row, middle + t.first * row, &t, row, row);
    }
    free(middle);
    free(t.weight);
    if (st) {
        free(*out);
        *out = NULL;
    }
    return st;
}
