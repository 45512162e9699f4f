#include "faces/resample.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define WEIGHT_BITS 22

/* For every output position: which inputs count, and how much. */
typedef struct filter {
    size_t taps;      /* room for the weights of one output */
    uint32_t *first;  /* [out] */
    uint32_t *count;  /* [out] */
    int32_t *weights; /* [out][taps] */
} filter;

static void filter_free(filter *f)
{
    free(f->first);
    free(f->count);
    free(f->weights);
    *f = (filter){0};
}

/* Weights of one output position: a triangle around its centre, normalised. */
static void filter_fill(filter *f, size_t in, size_t o, double scale, double support)
{
    double shrink = fmax(scale, 1.0);
    double centre = ((double)o + 0.5) * scale;
    double low = fmax(0.0, floor(centre - support + 0.5));
    double high = fmin((double)in, floor(centre + support + 0.5));
    size_t count = (size_t)(high - low);
    double sum = 0.0;
    int32_t *w = f->weights + o * f->taps;

    for (size_t k = 0; k < count; k++)
        sum += fmax(0.0, 1.0 - fabs(((double)k + low - centre + 0.5) / shrink));
    for (size_t k = 0; k < count; k++) {
        double x = fmax(0.0, 1.0 - fabs(((double)k + low - centre + 0.5) / shrink));

        w[k] = (int32_t)(0.5 + (sum > 0.0 ? x / sum : 0.0) * (1 << WEIGHT_BITS));
    }
    f->first[o] = (uint32_t)low;
    f->count[o] = (uint32_t)count;
}

static caface_status filter_make(filter *f, size_t in, size_t out, caface_error *err)
{
    double scale = (double)in / (double)out;
    double support = fmax(scale, 1.0);
    void *first = NULL, *count = NULL, *weights = NULL;
    size_t total = 0;
    caface_status st = CAFACE_OK;

    *f = (filter){.taps = (size_t)ceil(support) * 2 + 1};
    if (!cafi_mul_size(out, f->taps, &total))
        return cafi_fail_memory(err, ~0ULL);
    (void)((st = cafi_alloc(&first, out, sizeof *f->first, err)) ||
           (st = cafi_alloc(&count, out, sizeof *f->count, err)) ||
           (st = cafi_alloc(&weights, total, sizeof *f->weights, err)));
    f->first = first;
    f->count = count;
    f->weights = weights;
    if (st) {
        filter_free(f);
        return st;
    }
    for (size_t o = 0; o < out; o++)
        filter_fill(f, in, o, scale, support);
    return CAFACE_OK;
}

static uint8_t to_byte(int64_t sum)
{
    int64_t v = (sum + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS;

    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* One row of pixels, in -> out. The weights add up to about 2^22, so that a
 * sum of bytes fits in 32 bits. */
static void resize_row(uint8_t *out, const uint8_t *in, const filter *f, size_t width)
{
    for (size_t o = 0; o < width; o++, out += 3) {
        const uint8_t *p = in + (size_t)f->first[o] * 3;
        const int32_t *w = f->weights + o * f->taps;
        int32_t sum[3] = {0, 0, 0};

        for (uint32_t k = 0; k < f->count[o]; k++, p += 3)
            for (int c = 0; c < 3; c++)
                sum[c] += p[c] * w[k];
        for (int c = 0; c < 3; c++)
            out[c] = to_byte(sum[c]);
    }
}

/* One output row from the rows below each other that count for it. */
static void resize_column(uint8_t *out, const uint8_t *in, int32_t *sum, const int32_t *w,
                          size_t count, size_t bytes)
{
    memset(sum, 0, bytes * sizeof *sum);
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < bytes; i++)
            sum[i] += in[k * bytes + i] * w[k];
    for (size_t i = 0; i < bytes; i++)
        out[i] = to_byte(sum[i]);
}

static caface_status bytes_of(uint8_t **out, size_t width, size_t height, caface_error *err)
{
    void *memory = NULL;
    size_t row = 0;
    caface_status st;

    if (!cafi_mul_size(width, 3, &row))
        return cafi_fail_memory(err, ~0ULL);
    st = cafi_alloc(&memory, height, row, err);
    *out = memory;
    return st;
}

caface_status cafi_resample(uint8_t **out, const cafi_view *picture, size_t width, size_t height,
                            caface_error *err)
{
    filter across = {0}, down = {0};
    uint8_t *middle = NULL, *result = NULL;
    void *sum = NULL;
    size_t bytes = width * 3;
    caface_status st = CAFACE_OK;

    *out = NULL;
    (void)((st = filter_make(&across, picture->width, width, err)) ||
           (st = filter_make(&down, picture->height, height, err)) ||
           (st = bytes_of(&middle, width, picture->height, err)) ||
           (st = bytes_of(&result, width, height, err)) ||
           (st = cafi_alloc(&sum, bytes, sizeof(int32_t), err)));
    if (st) {
        free(result);
        goto done;
    }
    for (size_t y = 0; y < picture->height; y++) {
        const uint8_t *row = picture->rgb + y * picture->width * 3;

        if (width == picture->width)
            memcpy(middle + y * bytes, row, bytes);
        else
            resize_row(middle + y * bytes, row, &across, width);
    }
    for (size_t y = 0; y < height; y++)
        if (height == picture->height)
            memcpy(result + y * bytes, middle + y * bytes, bytes);
        else
            resize_column(result + y * bytes, middle + down.first[y] * bytes, sum,
                          down.weights + y * down.taps, down.count[y], bytes);
    *out = result;
done:
    filter_free(&across);
    filter_free(&down);
    free(middle);
    free(sum);
    return st;
}
