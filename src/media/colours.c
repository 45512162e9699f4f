#include "media/colours.h"

#include <stdlib.h>

#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "base/mem.h"

/* Rows of planes begin at multiples of this. */
#define ALIGNED 64

static const int flags[] = {[CAFI_CHROMA_FULL] = SWS_BICUBIC | SWS_ACCURATE_RND |
                                                 SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP,
                            [CAFI_CHROMA_FAST] = SWS_BILINEAR | SWS_ACCURATE_RND,
                            [CAFI_CHROMA_OPENCV] = SWS_BICUBIC};

void cafi_colours_clear(cafi_colours *c)
{
    sws_freeContext(c->scaler);
    free(c->planes);
    *c = (cafi_colours){0};
}

/* Frames that are less high have as few rows of chroma as its filter has taps, of which swscale's
 * two ways make different pixels. */
#define LEAST_SIDE 32

/* With full chroma swscale has vector code for planes of R, G and B and plain code for pixels, an
 * eighth as fast; the bytes are the same. */
static bool by_planes(const AVFrame *f, cafi_chroma chroma)
{
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(f->format);

    return chroma == CAFI_CHROMA_FULL && f->width >= LEAST_SIDE && f->height >= LEAST_SIDE &&
           format && format->nb_components >= 3 && !(format->flags & AV_PIX_FMT_FLAG_RGB);
}

/* The scaler for this frame's size and format, with its own colour matrix and
 * range: FFmpeg, and so OpenCV, assumes BT.601 and studio range otherwise. */
static caface_status prepare_scaler(cafi_colours *c, const AVFrame *f, cafi_chroma chroma,
                                    caface_error *err)
{
    const int *matrix = sws_getCoefficients(
        f->colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : (int)f->colorspace);
    const int *rgb = sws_getCoefficients(SWS_CS_DEFAULT);
    int full = f->color_range == AVCOL_RANGE_JPEG;

    c->scaler = sws_getCachedContext(c->scaler, f->width, f->height, f->format, f->width, f->height,
                                     by_planes(f, chroma) ? AV_PIX_FMT_GBRP : AV_PIX_FMT_RGB24,
                                     flags[chroma], NULL, NULL, NULL);
    if (!c->scaler) {
        const char *name = av_get_pix_fmt_name(f->format);

        return cafi_fail(err, CAFACE_EFORMAT, "video: pixel format %s can't be converted",
                         name ? name : "unknown");
    }
    /* The JPEG formats have their range in the name; FFmpeg refuses the call
     * for formats that are R G B already. Both are right without it. */
    if (chroma != CAFI_CHROMA_OPENCV)
        (void)sws_setColorspaceDetails(c->scaler, matrix, full, rgb, 1, 0, 1 << 16, 1 << 16);
    return CAFACE_OK;
}

static caface_status scale(cafi_colours *c, const AVFrame *f, uint8_t *const *to,
                           const int *strides, caface_error *err)
{
    if (sws_scale(c->scaler, (const uint8_t *const *)f->data, f->linesize, 0, f->height, to,
                  strides) != f->height)
        return cafi_fail(err, CAFACE_EFORMAT, "video: a frame can't be converted to RGB");
    return CAFACE_OK;
}

static void interleave(uint8_t *restrict rgb, const uint8_t *restrict red,
                       const uint8_t *restrict green, const uint8_t *restrict blue, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rgb[3 * i] = red[i];
        rgb[3 * i + 1] = green[i];
        rgb[3 * i + 2] = blue[i];
    }
}

static caface_status run_by_planes(cafi_colours *c, const AVFrame *f, uint8_t *rgb,
                                   caface_error *err)
{
    size_t width = (size_t)f->width, height = (size_t)f->height;
    size_t stride = (width + ALIGNED - 1) / ALIGNED * ALIGNED, plane = 0, all = 0, begin = 0;
    uint8_t *planes[4] = {NULL};
    const int strides[4] = {(int)stride, (int)stride, (int)stride};
    caface_status st = CAFACE_OK;

    /* some behind the last row, as the scaler's vector code wants it, and to begin at a multiple */
    if (!cafi_mul_size(stride, height, &plane) || !cafi_mul_size(plane, 3, &all) ||
        !cafi_add_size(all, 2 * ALIGNED, &all))
        return cafi_fail_memory(err, ~0ULL);
    if (all > c->room) {
        free(c->planes);
        c->planes = NULL;
        c->room = 0;
        if ((st = cafi_alloc_bytes(&c->planes, all, err)))
            return st;
        c->room = all;
    }
    begin = (ALIGNED - (uintptr_t)c->planes % ALIGNED) % ALIGNED;
    for (size_t p = 0; p < 3; p++)
        planes[p] = c->planes + begin + p * plane;
    if ((st = scale(c, f, planes, strides, err)))
        return st;
    for (size_t y = 0; y < height; y++)
        interleave(rgb + y * width * 3, planes[2] + y * stride, planes[0] + y * stride,
                   planes[1] + y * stride, width);
    return CAFACE_OK;
}

caface_status cafi_colours_run(cafi_colours *c, const AVFrame *f, cafi_chroma chroma, uint8_t *rgb,
                               caface_error *err)
{
    uint8_t *const pixels[4] = {rgb};
    const int strides[4] = {f->width * 3};
    caface_status st = prepare_scaler(c, f, chroma, err);

    if (st)
        return st;
    return by_planes(f, chroma) ? run_by_planes(c, f, rgb, err) : scale(c, f, pixels, strides, err);
}
