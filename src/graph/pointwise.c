#include "graph/pointwise.h"

#include <math.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "graph/pointwise_tile.h"

#define DEPTH ((size_t)CAFI_POINTWISE_DEPTH)
#define WIDTH ((size_t)CAFI_POINTWISE_WIDTH)
#define MOST_EXPONENT 126 /* whose power is a normal float, and its inverse */

cafi_pointwise_kernel *cafi_pointwise_get(void)
{
#if defined(__x86_64__)
    if (cafi_cpu_adds_beside())
        return cafi_pointwise_avx512;
#endif
    return NULL;
}

static size_t whole(size_t n, size_t block)
{
    return (n + block - 1) / block * block;
}

size_t cafi_pointwise_size(const cafi_pointwise_args *a)
{
    return whole(a->outs, WIDTH) * (whole(a->ins, DEPTH) + 4);
}

size_t cafi_pointwise_scratch(const cafi_pointwise_args *a)
{
    return cafi_pointwise_tile_size(a) * CAFI_POINTWISE_TILES;
}

/* The power of two that brings the largest of n numbers to 1 to 2, and zeros far from all others.
 */
static int exponent_of(const float *w, size_t n)
{
    float top = 0;
    int exponent = -MOST_EXPONENT;

    for (size_t i = 0; i < n; i++)
        top = fabsf(w[i]) > top ? fabsf(w[i]) : top;
    if (top > 0 && isfinite(top))
        frexpf(top, &exponent);
    exponent = 1 - exponent;
    return exponent > MOST_EXPONENT    ? MOST_EXPONENT
           : exponent < -MOST_EXPONENT ? -MOST_EXPONENT
                                       : exponent;
}

/* One output channel's weights, and what the sums of their products in pairs are to be. */
static float pack_row(float *to, const float *row, size_t ins, int exponent)
{
    double sum = 0;

    for (size_t i = 0; i < ins; i += DEPTH, to += DEPTH * WIDTH) {
        float block[CAFI_POINTWISE_DEPTH] = {0};

        for (size_t k = 0; k < DEPTH && i + k < ins; k++)
            block[k] = ldexpf(row[i + k], exponent);
        for (size_t k = 0; k < CAFI_POINTWISE_GROUPS; k++) {
            cafi_pointwise_group g = cafi_pointwise_group_of(k);
            float *slot = to + g.slot * WIDTH;

            if (g.paired) {
                sum += (double)block[g.left] * (double)block[g.right];
                slot[0] = block[g.left];
                slot[WIDTH] = block[g.right];
                slot += 2 * WIDTH;
            }
            *slot = block[g.alone];
        }
    }
    return (float)-sum;
}

caface_status cafi_pointwise_pack(float **owned, cafi_pointwise_args *a, const float *weights,
                                  const float *bias, const float *slope, caface_error *err)
{
    size_t outs = whole(a->outs, WIDTH), ins = whole(a->ins, DEPTH);
    float *products = NULL;
    caface_status st = CAFI_NEW(owned, cafi_pointwise_size(a), err);

    if (st)
        return st;
    products = *owned + outs * ins;
    for (size_t o = 0; o < a->outs; o++) {
        const float *row = weights + o * a->ins;
        float *to = *owned + o / WIDTH * WIDTH * ins + o % WIDTH;
        int exponent = exponent_of(row, a->ins);

        products[o] = pack_row(to, row, a->ins, exponent);
        products[outs + o] = ldexpf(1, -exponent);
        products[2 * outs + o] = bias[o];
        products[3 * outs + o] = slope ? slope[o] : 0;
    }
    a->weights = *owned;
    a->products = products;
    a->scale = products + outs;
    a->bias = products + 2 * outs;
    a->slope = slope ? products + 3 * outs : NULL;
    return CAFACE_OK;
}
