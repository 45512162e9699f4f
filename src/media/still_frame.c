#include "media/still_frame.h"

#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <stdlib.h>

#include "base/mem.h"

/* Black shows through: c a / 255, rounded. */
static void composite(const uint8_t *rgba, uint8_t *rgb, size_t width)
{
    for (size_t x = 0; x < width; x++)
        for (size_t c = 0; c < 3; c++)
            rgb[3 * x + c] = (uint8_t)((rgba[4 * x + c] * rgba[4 * x + 3] + 127) / 255);
}

/* The frame's own matrix and range: swscale takes BT.601 and studio range otherwise. It
 * refuses the call for formats that are R G B already, which are right without it, as grey is. */
static void obey_range(struct SwsContext *sws, const AVFrame *f)
{
    const int *matrix = sws_getCoefficients(
        f->colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : (int)f->colorspace);

    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(f->format);

    if (!format || format->nb_components < 3)
        return;
    (void)sws_setColorspaceDetails(sws, matrix, f->color_range == AVCOL_RANGE_JPEG,
                                   sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
}

/* swscale takes what it does not know for BT.601. */
static bool is_known_matrix(const AVFrame *f)
{
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(f->format);

    switch (f->colorspace) {
    case AVCOL_SPC_BT709:
    case AVCOL_SPC_UNSPECIFIED:
    case AVCOL_SPC_FCC:
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:
    case AVCOL_SPC_SMPTE240M:
    case AVCOL_SPC_BT2020_NCL:
        return true;
    default: /* R G B, or grey, has none */
        return format && (format->flags & AV_PIX_FMT_FLAG_RGB || format->nb_components < 3);
    }
}

/* To R G B A, then onto black. swscale may write a little beyond a row. */
caface_status cafi_still_frame(cafi_image *out, const AVFrame *f, const char *kind,
                               caface_error *err)
{
    size_t width = (size_t)f->width;
    size_t height = (size_t)f->height;
    struct SwsContext *sws = NULL;
    uint8_t *rgba = NULL;
    caface_status st = cafi_image_reserve(out, width, height, 3, err);

    if (!st && !is_known_matrix(f))
        st = cafi_fail(err, CAFACE_EUNSUPPORTED,
                       "%s: its colour matrix %d is not read: save it as PNG", kind,
                       (int)f->colorspace);
    if (!st)
        st = cafi_alloc(&rgba, width * height + 16, 4, err);
    if (!st) {
        uint8_t *to[4] = {rgba, NULL, NULL, NULL};
        int stride[4] = {f->width * 4, 0, 0, 0};

        sws = sws_getContext(f->width, f->height, f->format, f->width, f->height, AV_PIX_FMT_RGBA,
                             SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, NULL, NULL, NULL);
        if (sws)
            obey_range(sws, f);
        if (!sws || sws_scale(sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, to,
                              stride) != f->height)
            st = cafi_fail(err, CAFACE_EUNSUPPORTED, "%s: an unusual pixel format", kind);
    }
    for (size_t y = 0; !st && y < height; y++)
        composite(rgba + 4 * y * width, out->rgb + 3 * y * width, width);
    sws_freeContext(sws);
    free(rgba);
    return st;
}
