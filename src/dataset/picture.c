#include "dataset/picture.h"

#include <math.h>
#include <string.h>

#include "base/status.h"

static uint8_t to_u8(float v)
{
    return v <= 0.0f ? 0 : v >= 255.0f ? 255 : (uint8_t)(v + 0.5f);
}

static size_t clamp(ptrdiff_t i, size_t n)
{
    return i < 0 ? 0 : (size_t)i >= n ? n - 1 : (size_t)i;
}

/* Mirrored without repeating the edge: -1 is 1. */
static size_t reflect(ptrdiff_t i, size_t n)
{
    ptrdiff_t period = 2 * (ptrdiff_t)n - 2;

    if (n == 1)
        return 0;
    i %= period;
    if (i < 0)
        i += period;
    return (size_t)(i < (ptrdiff_t)n ? i : period - i);
}

static double sinc(double x)
{
    return x == 0.0 ? 1.0 : sin(3.141592653589793 * x) / (3.141592653589793 * x);
}

/* Weight of a pixel at distance x. */
static double weight(cafi_interpolation how, double x)
{
    const double a = -0.75;

    x = fabs(x);
    if (how == CAFI_LINEAR)
        return x < 1.0 ? 1.0 - x : 0.0;
    if (how == CAFI_CUBIC)
        return x < 1.0   ? ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
               : x < 2.0 ? ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
                         : 0.0;
    return x < 4.0 ? sinc(x) * sinc(x / 4.0) : 0.0;
}

/* Which pixels of a line of n make pixel i of a line of m: at most `taps`. */
typedef struct line_plan {
    size_t taps;
    size_t *index; /* [m][taps] */
    float *share;  /* [m][taps] */
} line_plan;

static size_t taps_of(cafi_interpolation how, size_t m, size_t n)
{
    static const size_t taps[] = {
        [CAFI_NEAREST] = 1, [CAFI_LINEAR] = 2, [CAFI_CUBIC] = 4, [CAFI_LANCZOS] = 8};

    return how == CAFI_AREA ? n / m + 3 : taps[how];
}

static void plan_pixel(line_plan *p, cafi_interpolation how, size_t i, size_t m, size_t n)
{
    size_t *index = p->index + i * p->taps;
    float *share = p->share + i * p->taps;
    double scale = (double)n / (double)m;
    double centre = ((double)i + 0.5) * scale - 0.5;
    double sum = 0.0;
    ptrdiff_t first = (ptrdiff_t)floor(centre) - (ptrdiff_t)(p->taps / 2) + 1;

    if (how == CAFI_NEAREST) {
        index[0] = clamp((ptrdiff_t)((double)i * scale), n);
        share[0] = 1.0f;
        return;
    }
    if (how == CAFI_AREA)
        first = (ptrdiff_t)floor((double)i * scale);
    for (size_t k = 0; k < p->taps; k++) {
        double at = (double)(first + (ptrdiff_t)k);
        double w = how == CAFI_AREA
                       ? fmin(at + 1.0, (double)(i + 1) * scale) - fmax(at, (double)i * scale)
                       : weight(how, at - centre);

        index[k] = clamp(first + (ptrdiff_t)k, n);
        share[k] = (float)(how == CAFI_AREA ? fmax(w, 0.0) : w);
        sum += (double)share[k];
    }
    for (size_t k = 0; k < p->taps; k++)
        share[k] = (float)((double)share[k] / sum);
}

/* sum[i] += share * x[i] */
static void add_row(float *restrict sum, const float *restrict x, float share, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += share * x[i];
}

static void store_row(uint8_t *to, const float *sum, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = to_u8(sum[i]);
}

/* Room of `bytes` bytes in scratch. */
static caface_status room(cafi_buf *scratch, size_t bytes, caface_error *err)
{
    static const char zeros[4096];

    while (scratch->capacity <= bytes && !scratch->failed) {
        scratch->size = scratch->capacity > sizeof zeros ? scratch->capacity - 1 : 0;
        cafi_buf_append(scratch, zeros, sizeof zeros);
    }
    return scratch->failed ? cafi_fail_memory(err, bytes) : CAFACE_OK;
}

caface_status cafi_picture_resize(cafi_image *to, const cafi_image *from, cafi_interpolation how,
                                  cafi_buf *scratch, caface_error *err)
{
    line_plan x = {.taps = taps_of(how, to->width, from->width)};
    line_plan y = {.taps = taps_of(how, to->height, from->height)};
    size_t indices = to->width * x.taps + to->height * y.taps;
    size_t rows = (from->height + 1) * to->width * 3;
    caface_status st =
        room(scratch, indices * (sizeof(size_t) + sizeof(float)) + rows * sizeof(float), err);
    float *middle;
    float *sum;

    if (st)
        return st;
    x.index = (size_t *)(void *)scratch->data;
    y.index = x.index + to->width * x.taps;
    x.share = (float *)(void *)(x.index + indices);
    y.share = x.share + to->width * x.taps;
    middle = x.share + indices;
    sum = middle + from->height * to->width * 3;
    for (size_t i = 0; i < to->width; i++)
        plan_pixel(&x, how, i, to->width, from->width);
    for (size_t i = 0; i < to->height; i++)
        plan_pixel(&y, how, i, to->height, from->height);
    for (size_t r = 0; r < from->height; r++)
        for (size_t i = 0; i < to->width; i++) {
            const uint8_t *line = from->rgb + r * from->width * 3;
            float *at = middle + (r * to->width + i) * 3;

            memset(at, 0, 3 * sizeof *at);
            for (size_t k = 0; k < x.taps; k++)
                for (size_t c = 0; c < 3; c++)
                    at[c] += x.share[i * x.taps + k] * (float)line[x.index[i * x.taps + k] * 3 + c];
        }
    for (size_t r = 0; r < to->height; r++) {
        size_t n = to->width * 3;

        memset(sum, 0, n * sizeof *sum);
        for (size_t k = 0; k < y.taps; k++)
            add_row(sum, middle + y.index[r * y.taps + k] * n, y.share[r * y.taps + k], n);
        store_row(to->rgb + r * n, sum, n);
    }
    return CAFACE_OK;
}

/* A pixel's channel, 0 outside. */
static float pixel(const cafi_image *p, ptrdiff_t x, ptrdiff_t y, size_t c)
{
    if (x < 0 || y < 0 || (size_t)x >= p->width || (size_t)y >= p->height)
        return 0.0f;
    return (float)p->rgb[((size_t)y * p->width + (size_t)x) * 3 + c];
}

void cafi_picture_warp(cafi_image *to, const cafi_image *from, const double m[6])
{
    for (size_t y = 0; y < to->height; y++)
        for (size_t x = 0; x < to->width; x++) {
            double sx = m[0] * (double)x + m[1] * (double)y + m[2];
            double sy = m[3] * (double)x + m[4] * (double)y + m[5];
            ptrdiff_t ix = (ptrdiff_t)floor(sx);
            ptrdiff_t iy = (ptrdiff_t)floor(sy);
            float fx = (float)(sx - (double)ix);
            float fy = (float)(sy - (double)iy);

            for (size_t c = 0; c < 3; c++) {
                float top = pixel(from, ix, iy, c) * (1.0f - fx) + pixel(from, ix + 1, iy, c) * fx;
                float low =
                    pixel(from, ix, iy + 1, c) * (1.0f - fx) + pixel(from, ix + 1, iy + 1, c) * fx;

                to->rgb[(y * to->width + x) * 3 + c] = to_u8(top * (1.0f - fy) + low * fy);
            }
        }
}

/* A float copy with `half` more pixels on every side, mirrored. W is the width of a
 * padded row in floats. */
static caface_status pad(cafi_buf *scratch, const cafi_image *from, size_t half, float **out,
                         float **row, caface_error *err)
{
    size_t W = (from->width + 2 * half) * 3;
    size_t H = from->height + 2 * half;
    caface_status st = room(scratch, (W * H + W) * sizeof(float), err);
    float *to = (float *)(void *)scratch->data;

    if (st)
        return st;
    *out = to;
    *row = to + W * H;
    for (size_t y = 0; y < H; y++) {
        size_t sy = reflect((ptrdiff_t)y - (ptrdiff_t)half, from->height);
        const uint8_t *line = from->rgb + sy * from->width * 3;
        float *padded = to + y * W;

        for (size_t i = 0; i < from->width * 3; i++)
            padded[half * 3 + i] = (float)line[i];
        for (size_t x = 0; x < half; x++)
            for (size_t c = 0; c < 3; c++) {
                size_t left = reflect((ptrdiff_t)x - (ptrdiff_t)half, from->width);
                size_t right = reflect((ptrdiff_t)(from->width + x), from->width);

                padded[x * 3 + c] = (float)line[left * 3 + c];
                padded[(half + from->width + x) * 3 + c] = (float)line[right * 3 + c];
            }
    }
    return CAFACE_OK;
}

caface_status cafi_picture_filter(cafi_image *to, const cafi_image *from, const float *kernel,
                                  size_t k, cafi_buf *scratch, caface_error *err)
{
    size_t half = k / 2;
    size_t W = (from->width + 2 * half) * 3;
    size_t n = from->width * 3;
    float *padded;
    float *sum;
    caface_status st = pad(scratch, from, half, &padded, &sum, err);

    for (size_t y = 0; y < from->height && !st; y++) {
        memset(sum, 0, n * sizeof *sum);
        for (size_t i = 0; i < k * k; i++)
            if (kernel[i] != 0.0f)
                add_row(sum, padded + (y + i / k) * W + i % k * 3, kernel[i], n);
        store_row(to->rgb + y * n, sum, n);
    }
    return st;
}

caface_status cafi_picture_blur(cafi_image *to, const cafi_image *from, const float *kernel,
                                size_t k, cafi_buf *scratch, caface_error *err)
{
    size_t half = k / 2;
    size_t W = (from->width + 2 * half) * 3;
    size_t n = from->width * 3;
    float *padded;
    float *sum;
    caface_status st = pad(scratch, from, half, &padded, &sum, err);

    /* down the columns, into the row that is not needed any more */
    for (size_t y = 0; y < from->height && !st; y++) {
        memset(sum, 0, W * sizeof *sum);
        for (size_t i = 0; i < k; i++)
            add_row(sum, padded + (y + i) * W, kernel[i], W);
        memcpy(padded + y * W, sum, W * sizeof *sum);
    }
    for (size_t y = 0; y < from->height && !st; y++) {
        memset(sum, 0, n * sizeof *sum);
        for (size_t i = 0; i < k; i++)
            add_row(sum, padded + y * W + i * 3, kernel[i], n);
        store_row(to->rgb + y * n, sum, n);
    }
    return st;
}

static float grey(const uint8_t *rgb)
{
    return 0.2989f * (float)rgb[0] + 0.587f * (float)rgb[1] + 0.114f * (float)rgb[2];
}

void cafi_picture_brightness(cafi_image *p, float factor)
{
    for (size_t i = 0; i < p->width * p->height * 3; i++)
        p->rgb[i] = to_u8(factor * (float)p->rgb[i]);
}

void cafi_picture_contrast(cafi_image *p, float factor)
{
    size_t n = p->width * p->height;
    double mean = 0.0;

    for (size_t i = 0; i < n; i++)
        mean += (double)grey(p->rgb + 3 * i);
    mean /= (double)n;
    for (size_t i = 0; i < 3 * n; i++)
        p->rgb[i] = to_u8(factor * (float)p->rgb[i] + (1.0f - factor) * (float)mean);
}

void cafi_picture_saturation(cafi_image *p, float factor)
{
    for (size_t i = 0; i < p->width * p->height; i++) {
        float g = grey(p->rgb + 3 * i);

        for (size_t c = 0; c < 3; c++)
            p->rgb[3 * i + c] = to_u8(factor * (float)p->rgb[3 * i + c] + (1.0f - factor) * g);
    }
}

void cafi_picture_mirror(cafi_image *p)
{
    for (size_t y = 0; y < p->height; y++)
        for (size_t x = 0; x < p->width / 2; x++) {
            uint8_t *a = p->rgb + (y * p->width + x) * 3;
            uint8_t *b = p->rgb + (y * p->width + p->width - 1 - x) * 3;
            uint8_t keep[3];

            memcpy(keep, a, 3);
            memcpy(a, b, 3);
            memcpy(b, keep, 3);
        }
}

void cafi_picture_keep(cafi_image *p, size_t left, size_t top, size_t width, size_t height)
{
    for (size_t y = 0; y < p->height; y++)
        for (size_t x = 0; x < p->width; x++)
            if (y < top || y >= top + height || x < left || x >= left + width)
                memset(p->rgb + (y * p->width + x) * 3, 0, 3);
}
