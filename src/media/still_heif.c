#include "media/still_heif.h"

#include <libavcodec/avcodec.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "media/still_frame.h"

static caface_status fail(const char *kind, int code, caface_error *err)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";

    if (code == AVERROR(ENOMEM)) /* of what the file announces: its own fault */
        return cafi_fail(err, CAFACE_ELIMIT, "this %s asks for more memory than can be had", kind);
    av_strerror(code, text, sizeof text);
    return cafi_fail(err, CAFACE_EFORMAT, "damaged %s: %s", kind, text);
}

/* What decodes one coded picture. */
typedef struct decoder {
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
} decoder;

static void close_decoder(decoder *d)
{
    av_frame_free(&d->frame);
    av_packet_free(&d->packet);
    avcodec_free_context(&d->codec);
}

static caface_status open_decoder(decoder *d, const cafi_heif_item *item, const char *kind,
                                  caface_error *err)
{
    bool is_hevc = strcmp(item->kind, "hvc1") == 0;
    const AVCodec *codec = avcodec_find_decoder(is_hevc ? AV_CODEC_ID_HEVC : AV_CODEC_ID_AV1);
    int code = 0;

    if (!codec)
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "%s pictures are not decoded by this FFmpeg",
                         kind);
    d->codec = avcodec_alloc_context3(codec);
    d->packet = av_packet_alloc();
    d->frame = av_frame_alloc();
    if (!d->codec || !d->packet || !d->frame)
        return cafi_fail_memory(err, sizeof *d->frame);
    d->codec->max_pixels = (int64_t)CAFI_IMAGE_MAX_PIXELS;
    d->codec->thread_count = 1;
    d->codec->err_recognition = AV_EF_EXPLODE | AV_EF_CRCCHECK;
    if (item->config.at) {
        size_t size = item->config.size;

        d->codec->extradata = av_mallocz(size + AV_INPUT_BUFFER_PADDING_SIZE);
        if (!d->codec->extradata)
            return cafi_fail_memory(err, size);
        memcpy(d->codec->extradata, item->config.at, size);
        d->codec->extradata_size = (int)size;
    }
    code = avcodec_open2(d->codec, codec, NULL);
    return code < 0 ? fail(kind, code, err) : CAFACE_OK;
}

/* bytes [size], with the padding that FFmpeg wants behind. */
static caface_status decode_frame(decoder *d, unsigned char *bytes, size_t size, const char *kind,
                                  caface_error *err)
{
    int code = 0;

    if (!size || size > INT32_MAX)
        return cafi_fail(err, CAFACE_EFORMAT, "damaged %s: a picture of %zu bytes", kind, size);
    d->packet->data = bytes;
    d->packet->size = (int)size;
    d->packet->flags |= AV_PKT_FLAG_KEY;
    if ((code = avcodec_send_packet(d->codec, d->packet)) >= 0)
        code = avcodec_send_packet(d->codec, NULL);
    if (code >= 0)
        code = avcodec_receive_frame(d->codec, d->frame);
    if (code < 0)
        return fail(kind, code == AVERROR_EOF ? AVERROR_INVALIDDATA : code, err);
    if (d->frame->decode_error_flags || d->frame->flags & AV_FRAME_FLAG_CORRUPT)
        return fail(kind, AVERROR_INVALIDDATA, err);
    return cafi_image_check((size_t)d->frame->width, (size_t)d->frame->height, err);
}

/* What the container says of colours goes before what the codec says; where neither does, the whole
 * range is used (MIAF, 7.3.6.4). */
static void set_colours(AVFrame *frame, const cafi_heif_item *item)
{
    if (item->has_colours) {
        frame->colorspace = (enum AVColorSpace)item->matrix;
        frame->color_range = item->full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    } else if (frame->color_range == AVCOL_RANGE_UNSPECIFIED)
        frame->color_range = AVCOL_RANGE_JPEG;
}

/* One coded picture. colours: the item whose word on colours counts: the grid's, for its parts. */
static caface_status decode_coded(cafi_image *out, const cafi_heif *h, const cafi_heif_item *item,
                                  const cafi_heif_item *colours, const char *kind,
                                  caface_error *err)
{
    decoder d = {0};
    unsigned char *bytes = NULL;
    size_t size = 0;
    caface_status st = CAFACE_OK;

    if (strcmp(item->kind, "hvc1") != 0 && strcmp(item->kind, "av01") != 0)
        return cafi_fail(
            err, CAFACE_EUNSUPPORTED,
            "%s: its picture is of the kind %s, which is not supported: save it as PNG", kind,
            item->kind);
    if (!(st = cafi_heif_read(h, item->id, AV_INPUT_BUFFER_PADDING_SIZE, &bytes, &size, err)) &&
        !(st = open_decoder(&d, item, kind, err)) &&
        !(st = decode_frame(&d, bytes, size, kind, err))) {
        set_colours(d.frame, colours->has_colours ? colours : item);
        st = cafi_still_frame(out, d.frame, kind, err);
    }
    close_decoder(&d);
    free(bytes);
    return st;
}

/* A part into its place; what reaches beyond the picture is left out. */
static void place(cafi_image *out, const cafi_image *part, size_t left, size_t top)
{
    size_t width = part->width < out->width - left ? part->width : out->width - left;

    for (size_t y = 0; y < part->height && top + y < out->height; y++)
        memcpy(out->rgb + 3 * ((top + y) * out->width + left), part->rgb + 3 * y * part->width,
               3 * width);
}

static caface_status decode_part(cafi_image *out, const cafi_heif *h, uint32_t id,
                                 const cafi_heif_item *grid, const char *kind, caface_error *err)
{
    cafi_heif_item item;
    caface_status st = cafi_heif_describe(h, id, &item, err);

    return st ? st : decode_coded(out, h, &item, grid, kind, err);
}

/* All parts are of one size, and the last column and row reach the picture's edges: so no more is
 * decoded than the picture and one part in each direction. */
static caface_status decode_parts(cafi_image *out, const cafi_heif *h, const cafi_heif_grid *g,
                                  const uint32_t *ids, const cafi_heif_item *grid, const char *kind,
                                  caface_error *err)
{
    caface_status st = CAFACE_OK;
    size_t width = 0, height = 0;

    for (size_t i = 0; !st && i < g->rows * g->columns; i++) {
        cafi_image part = {0};

        if (!(st = decode_part(&part, h, ids[i], grid, kind, err))) {
            width = i ? width : part.width;
            height = i ? height : part.height;
            if (part.width != width || part.height != height ||
                width * (g->columns - 1) >= out->width || width * g->columns < out->width ||
                height * (g->rows - 1) >= out->height || height * g->rows < out->height)
                st = cafi_fail(err, CAFACE_EFORMAT,
                               "damaged %s: %zu x %zu parts of %zux%zu pixels make no picture of "
                               "%zux%zu",
                               kind, g->columns, g->rows, part.width, part.height, out->width,
                               out->height);
            else
                place(out, &part, i % g->columns * width, i / g->columns * height);
        }
        cafi_image_clear(&part);
    }
    return st;
}

static caface_status decode_grid(cafi_image *out, const cafi_heif *h, const cafi_heif_item *item,
                                 const char *kind, caface_error *err)
{
    cafi_heif_grid g;
    unsigned char *bytes = NULL;
    uint32_t *ids = NULL;
    size_t size = 0, parts = 0;
    caface_status st = cafi_heif_read(h, item->id, 0, &bytes, &size, err);

    if (!st)
        st = cafi_heif_grid_read(&g, bytes, size, err);
    free(bytes);
    if (st)
        return st;
    if (g.rows * g.columns > CAFI_HEIF_MAX_TILES)
        return cafi_fail(err, CAFACE_ELIMIT, "a picture of %zu parts, at most %d",
                         g.rows * g.columns, CAFI_HEIF_MAX_TILES);
    if ((st = cafi_image_reserve(out, g.width, g.height, 3, err)) ||
        (st = CAFI_NEW(&ids, CAFI_HEIF_MAX_TILES, err)))
        return st;
    parts = cafi_heif_refs(h, item->id, "dimg", false, ids, CAFI_HEIF_MAX_TILES);
    if (parts != g.rows * g.columns)
        st = cafi_fail(err, CAFACE_EFORMAT, "damaged %s: a grid of %zu x %zu with %zu pictures",
                       kind, g.columns, g.rows, parts);
    else
        st = decode_parts(out, h, &g, ids, item, kind, err);
    free(ids);
    return st;
}

static caface_status decode_item(cafi_image *out, const cafi_heif *h, const cafi_heif_item *item,
                                 const char *kind, caface_error *err)
{
    if (*item->needs)
        return cafi_fail(
            err, CAFACE_EUNSUPPORTED,
            "%s: it cannot be shown without %s, which is not supported: save it as PNG", kind,
            item->needs);
    return strcmp(item->kind, "grid") == 0 ? decode_grid(out, h, item, kind, err)
                                           : decode_coded(out, h, item, item, kind, err);
}

/* The window that a "clap" states: its middle is the picture's, but for the offset. */
static caface_status crop(cafi_image *image, const uint32_t *c, const char *kind, caface_error *err)
{
    double width = (double)c[0] / c[1], height = (double)c[2] / c[3];
    double left = ((double)image->width - width) / 2 + (double)(int32_t)c[4] / c[5];
    double top = ((double)image->height - height) / 2 + (double)(int32_t)c[6] / c[7];
    cafi_image window = {0};
    caface_status st;

    if (!c[1] || !c[3] || !c[5] || !c[7] || !(width >= 1) || !(height >= 1) || !(left >= 0) ||
        !(top >= 0) || left + width > (double)image->width || top + height > (double)image->height)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "damaged %s: its window lies outside of %zux%zu pixels", kind,
                         image->width, image->height);
    if ((st = cafi_image_reserve(&window, (size_t)width, (size_t)height, 3, err)))
        return st;
    for (size_t y = 0; y < window.height; y++)
        memcpy(window.rgb + 3 * y * window.width,
               image->rgb + 3 * (((size_t)top + y) * image->width + (size_t)left),
               3 * window.width);
    cafi_image_clear(image);
    *image = window;
    return CAFACE_OK;
}

/* Quarter turns anticlockwise and mirrors as EXIF numbers them. */
static caface_status turn(cafi_image *image, const cafi_heif_item *item, const char *kind,
                          caface_error *err)
{
    static const int turned[4] = {1, 8, 3, 6}, mirrored[2] = {4, 2};
    caface_status st = CAFACE_OK;

    for (size_t i = 0; !st && i < item->turn_count; i++) {
        const cafi_heif_turn *t = item->turns + i;

        if (memcmp(t->kind, "clap", 4) == 0)
            st = crop(image, t->clap, kind, err);
        else
            st = cafi_image_orient(
                image, memcmp(t->kind, "irot", 4) == 0 ? turned[t->value] : mirrored[t->value],
                err);
    }
    return st;
}

/* The transparency of a picture: on black, what shows through is black. Colours that are
 * premultiplied are so already. */
static caface_status put_on_black(cafi_image *image, const cafi_heif *h, const cafi_heif_item *item,
                                  const char *kind, caface_error *err)
{
    uint32_t ids[8] = {0}, premultiplied = 0;
    size_t n = cafi_heif_refs(h, item->id, "auxl", true, ids, 8);
    size_t done = cafi_heif_refs(h, item->id, "prem", false, &premultiplied, 1);

    for (size_t i = 0; i < n && i < 8; i++) {
        cafi_heif_item alpha;
        cafi_image mask = {0};
        caface_status st = cafi_heif_describe(h, ids[i], &alpha, err);

        if (st || !alpha.is_alpha || (done && premultiplied == ids[i]))
            continue;
        st = decode_item(&mask, h, &alpha, kind, err);
        if (!st && (mask.width != image->width || mask.height != image->height))
            st = cafi_fail(err, CAFACE_EFORMAT,
                           "damaged %s: a picture of %zux%zu, its transparency has %zux%zu", kind,
                           image->width, image->height, mask.width, mask.height);
        for (size_t k = 0; !st && k < 3 * image->width * image->height; k++)
            image->rgb[k] = (uint8_t)((image->rgb[k] * mask.rgb[k] + 127) / 255);
        cafi_image_clear(&mask);
        return st;
    }
    return CAFACE_OK;
}

caface_status cafi_still_heif(cafi_image *out, const cafi_heif *heif, const char *kind,
                              cafi_image_about *about, caface_error *err)
{
    cafi_heif_item item;
    caface_status st = cafi_heif_describe(heif, heif->shown, &item, err);

    av_log_set_level(AV_LOG_QUIET);
    (void)(st || (st = decode_item(out, heif, &item, kind, err)) ||
           (st = put_on_black(out, heif, &item, kind, err)) || (st = turn(out, &item, kind, err)));
    if (st) {
        cafi_image_clear(out);
        return st;
    }
    if (item.profile.at)
        cafi_image_about_keep(about, item.profile.at, item.profile.size);
    return CAFACE_OK;
}
