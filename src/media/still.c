#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "media/still.h"
#include "media/still_frame.h"
#include "media/still_heif.h"
#include "media/tiff.h"
#include "media/tiff_jpeg.h"
#include "media/webp.h"

/* FFmpeg's own buffer between the picture's bytes and its reader. */
#define IO_BYTES 65536
/* Packets looked at for the first frame. */
#define MAX_PACKETS 64

typedef struct source {
    const unsigned char *bytes;
    size_t size, at;
} source;

typedef struct decoder {
    source from;
    AVIOContext *io;
    AVFormatContext *format;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    const unsigned char *whole; /* the file as it was given */
    const char *kind;
    caface_error *err;
} decoder;

static int read_bytes(void *ctx, uint8_t *to, int n)
{
    source *s = ctx;
    size_t left = s->size - s->at;
    size_t take = (size_t)n < left ? (size_t)n : left;

    if (!take)
        return AVERROR_EOF;
    memcpy(to, s->bytes + s->at, take);
    s->at += take;
    return (int)take;
}

static int64_t seek_bytes(void *ctx, int64_t offset, int whence)
{
    source *s = ctx;

    if (whence == AVSEEK_SIZE)
        return (int64_t)s->size;
    if (whence == SEEK_CUR)
        offset += (int64_t)s->at;
    else if (whence == SEEK_END)
        offset += (int64_t)s->size;
    if (offset < 0 || offset > (int64_t)s->size)
        return AVERROR(EINVAL);
    s->at = (size_t)offset;
    return offset;
}

/* None, CCITT's, LZW, Deflate and PackBits. */
static bool is_known_compression(const decoder *d)
{
    static const unsigned known[] = {1, 2, 3, 4, 5, 8, 32773, 32946};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (cafi_tiff_compression(d->whole, d->from.size) == known[i])
            return true;
    return false;
}

static caface_status fail(decoder *d, int code)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";

    if (code == AVERROR(ENOMEM)) /* of what the file announces: its own fault */
        return cafi_fail(d->err, CAFACE_ELIMIT, "this %s asks for more memory than can be had",
                         d->kind);
    av_strerror(code, text, sizeof text);
    if (code == AVERROR_DECODER_NOT_FOUND || code == AVERROR_PATCHWELCOME ||
        code == AVERROR_DEMUXER_NOT_FOUND)
        return cafi_fail(d->err, CAFACE_EUNSUPPORTED, "%s pictures are not decoded by this FFmpeg",
                         d->kind);
    if (strcmp(d->kind, "TIFF") == 0 && !is_known_compression(d))
        return cafi_fail(d->err, CAFACE_EUNSUPPORTED,
                         "a TIFF picture of compression %u, which is not supported: save it as PNG",
                         cafi_tiff_compression(d->whole, d->from.size));
    if (strcmp(d->kind, "WebP") == 0 && d->from.size > 20 &&
        memcmp(d->whole + 12, "VP8X", 4) == 0 && d->whole[20] & 2)
        return cafi_fail(d->err, CAFACE_EUNSUPPORTED,
                         "an animated WebP whose first frame does not fill it, or is damaged (%s)",
                         text);
    return cafi_fail(d->err, CAFACE_EFORMAT, "damaged %s: %s", d->kind, text);
}

/* The demuxer by the kind: probing would take a text for a subtitle. */
static const AVInputFormat *demuxer(const char *kind)
{
    static const char *const names[][2] = {
        {"WebP", "webp_pipe"}, {"BMP", "bmp_pipe"}, {"GIF", "gif"},       {"TIFF", "tiff_pipe"},
        {"AVIF", "mov"},       {"HEIC", "mov"},     {"JPEG", "jpeg_pipe"}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i][0], kind) == 0)
            return av_find_input_format(names[i][1]);
    return NULL;
}

static caface_status open_container(decoder *d)
{
    const AVInputFormat *input = demuxer(d->kind);
    unsigned char *buffer = av_malloc(IO_BYTES);
    int code = 0;

    if (buffer)
        d->io = avio_alloc_context(buffer, IO_BYTES, 0, &d->from, read_bytes, NULL, seek_bytes);
    if (!d->io) {
        av_free(buffer);
        return cafi_fail_memory(d->err, IO_BYTES);
    }
    if (!(d->format = avformat_alloc_context()))
        return cafi_fail_memory(d->err, sizeof *d->format);
    d->format->pb = d->io;
    d->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    if (!input)
        return fail(d, AVERROR_DEMUXER_NOT_FOUND);
    /* the address is empty and the protocols none: a picture refers to nothing outside itself */
    if ((code = avformat_open_input(&d->format, "", input, NULL)) < 0)
        return fail(d, code);
    return CAFACE_OK;
}

static caface_status open_codec(decoder *d, int *stream)
{
    const AVCodec *codec = NULL;
    int code = 0;

    *stream = -1;
    for (unsigned i = 0; i < d->format->nb_streams && *stream < 0; i++)
        if (d->format->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO)
            *stream = (int)i;
    if (*stream < 0)
        return fail(d, AVERROR_PATCHWELCOME);
    codec = avcodec_find_decoder(d->format->streams[*stream]->codecpar->codec_id);
    if (!codec)
        return fail(d, AVERROR_DECODER_NOT_FOUND);
    d->codec = avcodec_alloc_context3(codec);
    d->packet = av_packet_alloc();
    d->frame = av_frame_alloc();
    if (!d->codec || !d->packet || !d->frame)
        return cafi_fail_memory(d->err, sizeof *d->frame);
    if ((code = avcodec_parameters_to_context(d->codec, d->format->streams[*stream]->codecpar)) < 0)
        return fail(d, code);
    d->codec->max_pixels = (int64_t)CAFI_IMAGE_MAX_PIXELS;
    d->codec->thread_count = 1;
    d->codec->err_recognition = AV_EF_EXPLODE | AV_EF_CRCCHECK;
    code = avcodec_open2(d->codec, codec, NULL);
    return code < 0 ? fail(d, code) : CAFACE_OK;
}

/* The first frame of the stream, whole. */
static caface_status first_frame(decoder *d, int stream)
{
    int code = 0;

    for (int i = 0; i < MAX_PACKETS; i++) {
        code = av_read_frame(d->format, d->packet);
        if (code >= 0 && d->packet->stream_index != stream) {
            av_packet_unref(d->packet);
            continue;
        }
        if (code < 0 && code != AVERROR_EOF)
            return fail(d, code);
        code = avcodec_send_packet(d->codec, code < 0 ? NULL : d->packet);
        av_packet_unref(d->packet);
        if (code < 0 && code != AVERROR_EOF)
            return fail(d, code);
        code = avcodec_receive_frame(d->codec, d->frame);
        if (code == 0)
            break;
        if (code != AVERROR(EAGAIN))
            return fail(d, code == AVERROR_EOF ? AVERROR_INVALIDDATA : code);
    }
    if (code)
        return fail(d, AVERROR_INVALIDDATA);
    if (d->frame->decode_error_flags || d->frame->flags & AV_FRAME_FLAG_CORRUPT)
        return fail(d, AVERROR_INVALIDDATA);
    if (strcmp(d->kind, "TIFF") == 0) /* Y Cb Cr as JPEG has it; the decoder leaves it open */
        d->frame->color_range = AVCOL_RANGE_JPEG;
    return cafi_image_check((size_t)d->frame->width, (size_t)d->frame->height, d->err);
}

/* EXIF of containers that FFmpeg does not read it from: a TIFF is such a block itself, in a
 * WebP it is a chunk of the RIFF. 1: upright, or nothing is said. */
static int exif_of(const decoder *d)
{
    const unsigned char *b = d->whole;
    size_t size = d->from.size;

    if (strcmp(d->kind, "TIFF") == 0)
        return cafi_exif_orientation(b, size);
    for (size_t at = 12; strcmp(d->kind, "WebP") == 0 && at < size && size - at > 8;) {
        size_t n = (size_t)b[at + 4] | (size_t)b[at + 5] << 8 | (size_t)b[at + 6] << 16 |
                   (size_t)b[at + 7] << 24;

        if (n > size - at - 8)
            break;
        if (memcmp(b + at, "EXIF", 4) == 0) {
            size_t skip = n >= 6 && memcmp(b + at + 8, "Exif\0\0", 6) == 0 ? 6 : 0;

            return cafi_exif_orientation(b + at + 8 + skip, n - skip);
        }
        at += 8 + n + (n & 1);
    }
    return 1;
}

/* EXIF's number of a turn. */
static int turn_of(const decoder *d)
{
    static const int numbers[4] = {1, 6, 3, 8}; /* clockwise by 0, 90, 180, 270 */
    const AVFrameSideData *side = av_frame_get_side_data(d->frame, AV_FRAME_DATA_DISPLAYMATRIX);
    double degrees = 0;

    if (!side || side->size < 9 * sizeof(int32_t))
        return exif_of(d);
    degrees = av_display_rotation_get((const int32_t *)(const void *)side->data);
    if (!(degrees >= -360 && degrees <= 360))
        return 1;
    return numbers[((int)(-degrees / 90 + (degrees > 0 ? -0.5 : 0.5)) % 4 + 4) % 4];
}

/* The decoder gets a copy of the file without what it would refuse (media/tiff.h). */
static caface_status strip_tiff(decoder *d, unsigned char **copy)
{
    const char *other = NULL;
    caface_status st = cafi_alloc_bytes(copy, d->from.size, d->err);

    if (st)
        return st;
    memcpy(*copy, d->whole, d->from.size);
    if ((other = cafi_tiff_strip(*copy, d->from.size))) {
        free(*copy);
        *copy = NULL;
        return cafi_fail(d->err, CAFACE_EUNSUPPORTED, "a TIFF picture whose %s", other);
    }
    d->from.bytes = *copy;
    return CAFACE_OK;
}

/* The decoder gets the first frame of an animation as a file of its own. */
static caface_status still_webp(decoder *d, unsigned char **copy)
{
    caface_status st = cafi_alloc_bytes(copy, d->from.size, d->err);

    if (st)
        return st;
    memcpy(*copy, d->whole, d->from.size);
    if (cafi_webp_first_frame(*copy, &d->from.size))
        d->from.bytes = *copy;
    return CAFACE_OK;
}

static void keep_profile(const decoder *d, cafi_image_about *about)
{
    const AVFrameSideData *side = av_frame_get_side_data(d->frame, AV_FRAME_DATA_ICC_PROFILE);

    if (side)
        cafi_image_about_keep(about, side->data, side->size);
}

caface_status cafi_still_decode(cafi_image *out, const unsigned char *bytes, size_t size,
                                cafi_image_about *about, caface_error *err)
{
    decoder d = {
        .from = {bytes, size, 0}, .whole = bytes, .err = err, .kind = cafi_still_kind(bytes, size)};
    cafi_heif heif;
    unsigned char *copy = NULL;
    int stream = -1;
    caface_status st = CAFACE_OK;

    if (!d.kind)
        d.kind = "JPEG"; /* of 12 bits */
    if ((strcmp(d.kind, "AVIF") == 0 || strcmp(d.kind, "HEIC") == 0) &&
        cafi_heif_find(&heif, bytes, size))
        return cafi_still_heif(out, &heif, d.kind, about, err);
    if (strcmp(d.kind, "TIFF") == 0 && cafi_tiff_compression(bytes, size) == 7)
        return cafi_tiff_jpeg_decode(out, bytes, size, about, err);
    if (strcmp(d.kind, "TIFF") == 0 && (st = strip_tiff(&d, &copy)))
        return st;
    if (strcmp(d.kind, "WebP") == 0 && (st = still_webp(&d, &copy)))
        return st;
    av_log_set_level(AV_LOG_QUIET);
    if (!(st = open_container(&d)) && !(st = open_codec(&d, &stream)) &&
        !(st = first_frame(&d, stream)) && !(st = cafi_still_frame(out, d.frame, d.kind, err))) {
        about->orientation = turn_of(&d);
        keep_profile(&d, about);
    }
    av_frame_free(&d.frame);
    av_packet_free(&d.packet);
    avcodec_free_context(&d.codec);
    avformat_close_input(&d.format);
    if (d.io)
        av_freep(&d.io->buffer);
    avio_context_free(&d.io);
    free(copy);
    if (st)
        cafi_image_clear(out);
    return st;
}
