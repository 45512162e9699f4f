#include "media/pixels.h"

#include <math.h>
#include <string.h>

#include "base/sized.h"

#define PLANES 3

/* Bytes of a row of each plane, and rows of it; 0 bytes: no such plane. */
typedef struct plane_size {
    size_t bytes, rows;
} plane_size;

static void plane_sizes(const caface_pixels *p, plane_size *sizes)
{
    size_t half = (p->width + 1) / 2, half_rows = (p->height + 1) / 2;

    memset(sizes, 0, PLANES * sizeof *sizes);
    sizes[0] = (plane_size){p->width, p->height};
    switch (p->format) {
    case CAFACE_PIXELS_RGB:
    case CAFACE_PIXELS_BGR:
        sizes[0].bytes = 3 * p->width;
        break;
    case CAFACE_PIXELS_RGBA:
    case CAFACE_PIXELS_BGRA:
        sizes[0].bytes = 4 * p->width;
        break;
    case CAFACE_PIXELS_GREY:
        break;
    case CAFACE_PIXELS_NV12:
        sizes[1] = (plane_size){2 * half, half_rows};
        break;
    case CAFACE_PIXELS_I420:
        sizes[1] = sizes[2] = (plane_size){half, half_rows};
        break;
    }
}

static caface_status check_planes(caface_pixels *p, const char *what, caface_error *err)
{
    plane_size sizes[PLANES];

    plane_sizes(p, sizes);
    for (int i = 0; i < PLANES; i++) {
        size_t stride = p->stride[i] < 0 ? (size_t)0 - (size_t)p->stride[i] : (size_t)p->stride[i];

        if (!sizes[i].bytes)
            continue;
        if (!p->plane[i])
            return cafi_fail(err, CAFACE_EINVAL, "%s: plane %d is missing", what, i);
        if (!stride)
            p->stride[i] = (ptrdiff_t)(stride = sizes[i].bytes);
        if (stride < sizes[i].bytes || stride > PTRDIFF_MAX / sizes[i].rows)
            return cafi_fail(err, CAFACE_EINVAL,
                             "%s: rows of plane %d are %td bytes apart, a row has %zu", what, i,
                             p->stride[i], sizes[i].bytes);
    }
    return CAFACE_OK;
}

caface_status cafi_pixels_check(caface_pixels *out, const caface_pixels *given, const char *what,
                                caface_error *err)
{
    caface_status st = CAFACE_OK;

    *out = (caface_pixels){.size = sizeof *out};
    st = cafi_sized_in(out, sizeof *out, given, given->size, sizeof *out, what, err);
    if (st)
        return st;
    if ((unsigned)out->format > CAFACE_PIXELS_I420)
        return cafi_fail(err, CAFACE_EINVAL, "%s: pixel format %d is not known", what,
                         (int)out->format);
    if ((unsigned)out->yuv > CAFACE_YUV_BT709_FULL)
        return cafi_fail(err, CAFACE_EINVAL, "%s: yuv %d is not known", what, (int)out->yuv);
    if (out->width == 0 || out->height == 0)
        return cafi_fail(err, CAFACE_EINVAL, "%s: a picture of %zux%zu pixels", what, out->width,
                         out->height);
    if (out->width > CAFACE_IMAGE_MAX_SIDE || out->height > CAFACE_IMAGE_MAX_SIDE ||
        out->width * out->height > CAFACE_IMAGE_MAX_PIXELS)
        return cafi_fail(err, CAFACE_ELIMIT,
                         "%s: a picture of %zux%zu pixels; the limit is %d pixels, %d on a side",
                         what, out->width, out->height, CAFACE_IMAGE_MAX_PIXELS,
                         CAFACE_IMAGE_MAX_SIDE);
    return check_planes(out, what, err);
}

bool cafi_pixels_are_packed(const caface_pixels *p)
{
    return p->format == CAFACE_PIXELS_RGB && p->stride[0] == (ptrdiff_t)(3 * p->width);
}

/* ---- Y U V ----------------------------------------------------------------- */

/* R = y (Y - black) + rv V, G = ... + gu U + gv V, B = ... + bu U, with U and V
 * less 128; in 65536ths. */
typedef struct yuv_map {
    int32_t black, y, rv, gu, gv, bu;
} yuv_map;

static int32_t fixed(double x)
{
    return (int32_t)lrint(65536.0 * x);
}

/* ITU-R BT.601 and BT.709: kr and kb are the shares of red and blue in Y. */
static yuv_map map_of(caface_yuv yuv)
{
    bool hd = yuv == CAFACE_YUV_BT709 || yuv == CAFACE_YUV_BT709_FULL;
    bool full = yuv == CAFACE_YUV_BT601_FULL || yuv == CAFACE_YUV_BT709_FULL;
    double kr = hd ? 0.2126 : 0.299, kb = hd ? 0.0722 : 0.114, kg = 1.0 - kr - kb;
    double chroma = full ? 1.0 : 255.0 / 224.0;

    return (yuv_map){.black = full ? 0 : 16,
                     .y = fixed(full ? 1.0 : 255.0 / 219.0),
                     .rv = fixed(2.0 * (1.0 - kr) * chroma),
                     .gu = fixed(-2.0 * (1.0 - kb) * kb / kg * chroma),
                     .gv = fixed(-2.0 * (1.0 - kr) * kr / kg * chroma),
                     .bu = fixed(2.0 * (1.0 - kb) * chroma)};
}

static uint8_t clamp(int32_t x)
{
    x = (x + 32768) >> 16;
    return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
}

/* One row; u and v advance by step bytes every second pixel. */
static void yuv_row(uint8_t *rgb, const uint8_t *y, const uint8_t *u, const uint8_t *v, size_t step,
                    size_t width, const yuv_map *m)
{
    for (size_t x = 0; x < width; x++, rgb += 3) {
        int32_t light = m->y * (y[x] - m->black);
        int32_t cu = u[x / 2 * step] - 128, cv = v[x / 2 * step] - 128;

        rgb[0] = clamp(light + m->rv * cv);
        rgb[1] = clamp(light + m->gu * cu + m->gv * cv);
        rgb[2] = clamp(light + m->bu * cu);
    }
}

/* ---- rows ------------------------------------------------------------------ */

static const uint8_t *row_of(const caface_pixels *p, int plane, size_t row)
{
    return (const uint8_t *)p->plane[plane] + (ptrdiff_t)row * p->stride[plane];
}

/* Pixels of `step` bytes, whose red is at byte `red` and blue at 2 - red. */
static void packed_row(uint8_t *rgb, const uint8_t *from, size_t width, size_t step, size_t red)
{
    for (size_t x = 0; x < width; x++, rgb += 3, from += step) {
        rgb[0] = from[red];
        rgb[1] = from[1];
        rgb[2] = from[2 - red];
    }
}

static void grey_row(uint8_t *rgb, const uint8_t *from, size_t width)
{
    for (size_t x = 0; x < width; x++)
        memset(rgb + 3 * x, from[x], 3);
}

void cafi_pixels_to_rgb(uint8_t *rgb, const caface_pixels *p)
{
    const yuv_map map = map_of(p->yuv);

    for (size_t row = 0; row < p->height; row++, rgb += 3 * p->width) {
        const uint8_t *from = row_of(p, 0, row);

        switch (p->format) {
        case CAFACE_PIXELS_RGB:
            memcpy(rgb, from, 3 * p->width);
            break;
        case CAFACE_PIXELS_BGR:
            packed_row(rgb, from, p->width, 3, 2);
            break;
        case CAFACE_PIXELS_RGBA:
            packed_row(rgb, from, p->width, 4, 0);
            break;
        case CAFACE_PIXELS_BGRA:
            packed_row(rgb, from, p->width, 4, 2);
            break;
        case CAFACE_PIXELS_GREY:
            grey_row(rgb, from, p->width);
            break;
        case CAFACE_PIXELS_NV12:
            yuv_row(rgb, from, row_of(p, 1, row / 2), row_of(p, 1, row / 2) + 1, 2, p->width, &map);
            break;
        case CAFACE_PIXELS_I420:
            yuv_row(rgb, from, row_of(p, 1, row / 2), row_of(p, 2, row / 2), 1, p->width, &map);
            break;
        }
    }
}
