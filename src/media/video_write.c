#include "media/video_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>

#include "base/mem.h"
#include "base/text.h"
#include "files/output.h"

/* Time stamps: fine enough for every usual rate (24, 25, 29.97, 50, 59.94 are
 * whole numbers of them), and within the 16 bits that MPEG-4 has. */
#define TICKS 60000
/* Seconds between key frames at most, so that players can wind. */
#define KEY_SECONDS 5.0
#define IO_BUFFER 65536

struct cafi_video_writer {
    char *path;
    double rate;
    size_t threads;
    cafi_output *file;
    size_t size, at; /* of the file, and where FFmpeg writes next */
    caface_error io; /* the first failure of the file */
    AVFormatContext *format;
    const AVCodec *encoder;
    AVCodecContext *codec;
    struct SwsContext *scaler;
    uint8_t *rgb; /* the picture, with room behind it */
    size_t rgb_room;
    AVFrame *frame;
    AVPacket *packet;
    int64_t last; /* time stamp of the last frame, in ticks */
};

static const char *container_of(const char *path)
{
    static const char *const known[][2] = {{".mp4", "mp4"}, {".mov", "mov"}, {".mkv", "matroska"}};
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof known / sizeof *known; i++)
        if (cafi_strcasecmp(dot, known[i][0]) == 0)
            return known[i][1];
    return NULL;
}

static caface_status fail_av(const cafi_video_writer *w, int code, const char *what,
                             caface_error *err)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";

    if (w->io.status) { /* what FFmpeg only knows as a number */
        if (err)
            *err = w->io;
        return w->io.status;
    }
    if (code == AVERROR(ENOMEM))
        return cafi_fail(err, CAFACE_ENOMEM, "%s: %s: out of memory", w->path, what);
    av_strerror(code, text, sizeof text);
    return cafi_fail(err, CAFACE_EINVAL, "%s: %s: %s", w->path, what, text);
}

/* ---- the file, as FFmpeg sees it -------------------------------------------- */

#if LIBAVFORMAT_VERSION_MAJOR >= 61 /* FFmpeg 7 promises not to be written to */
typedef const uint8_t *file_bytes;
#else
typedef uint8_t *file_bytes;
#endif

static int write_bytes(void *opaque, file_bytes bytes, int count)
{
    cafi_video_writer *w = opaque;
    size_t n = (size_t)count, old = 0;

    if (w->at < w->size) {
        old = w->size - w->at < n ? w->size - w->at : n;
        if (cafi_output_patch(w->file, w->at, bytes, old, w->io.status ? NULL : &w->io))
            return AVERROR(EIO);
    }
    if (cafi_output_write(w->file, bytes + old, n - old, w->io.status ? NULL : &w->io))
        return AVERROR(EIO);
    w->at += n;
    w->size = w->at > w->size ? w->at : w->size;
    return count;
}

static int64_t seek_bytes(void *opaque, int64_t offset, int whence)
{
    cafi_video_writer *w = opaque;

    if (whence == AVSEEK_SIZE)
        return (int64_t)w->size;
    if (whence == SEEK_CUR)
        offset += (int64_t)w->at;
    else if (whence == SEEK_END)
        offset += (int64_t)w->size;
    if (offset < 0 || (uint64_t)offset > w->size) /* no muxer here leaves a gap */
        return AVERROR(EINVAL);
    w->at = (size_t)offset;
    return offset;
}

static caface_status open_file(cafi_video_writer *w, const char *container, caface_error *err)
{
    unsigned char *buffer = NULL;
    int code = avformat_alloc_output_context2(&w->format, NULL, container, NULL);
    caface_status st;

    if (code < 0)
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "%s: this FFmpeg writes no %s", w->path,
                         container);
    st = cafi_output_open(&w->file, w->path, err);
    if (st)
        return st;
    buffer = av_malloc(IO_BUFFER);
    if (buffer)
        w->format->pb = avio_alloc_context(buffer, IO_BUFFER, 1, w, NULL, write_bytes, seek_bytes);
    if (!w->format->pb) {
        av_free(buffer);
        return cafi_fail_memory(err, IO_BUFFER);
    }
    return CAFACE_OK;
}

caface_status cafi_video_writer_open(cafi_video_writer **out, const char *path, double rate,
                                     size_t threads, caface_error *err)
{
    const char *container = container_of(path);
    cafi_video_writer *w = NULL;
    void *memory = NULL;
    caface_status st;

    *out = NULL;
    if (!container)
        return cafi_fail(err, CAFACE_EINVAL, "%s: a video to write must end in .mp4, .mov or .mkv",
                         path);
    st = cafi_alloc(&memory, 1, sizeof *w, err);
    if (st)
        return st;
    w = memory;
    av_log_set_level(AV_LOG_QUIET);
    w->rate = isfinite(rate) && rate > 0.1 && rate < 1000.0 ? rate : 25.0;
    w->threads = threads;
    w->encoder = avcodec_find_encoder_by_name("libx264");
    if (!w->encoder)
        w->encoder = avcodec_find_encoder(AV_CODEC_ID_MPEG4);
    w->frame = av_frame_alloc();
    w->packet = av_packet_alloc();
    st = cafi_strdup(&w->path, path, err);
    if (!st && !w->encoder)
        st = cafi_fail(err, CAFACE_EUNSUPPORTED, "%s: this FFmpeg has no video encoder", path);
    if (!st && (!w->frame || !w->packet))
        st = cafi_fail_memory(err, sizeof(AVFrame));
    if (!st)
        st = open_file(w, container, err);
    if (st) {
        cafi_video_writer_abort(w);
        return st;
    }
    *out = w;
    return CAFACE_OK;
}

void cafi_video_writer_abort(cafi_video_writer *w)
{
    if (!w)
        return;
    sws_freeContext(w->scaler);
    avcodec_free_context(&w->codec);
    if (w->format && w->format->pb) {
        av_freep(&w->format->pb->buffer);
        avio_context_free(&w->format->pb);
    }
    avformat_free_context(w->format);
    av_frame_free(&w->frame);
    av_packet_free(&w->packet);
    cafi_output_abort(w->file);
    free(w->rgb);
    free(w->path);
    free(w);
}

/* ---- the encoder, once the first frame is there ------------------------------ */

static void describe(cafi_video_writer *w, int width, int height)
{
    AVCodecContext *c = w->codec;

    c->width = width;
    c->height = height;
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->time_base = (AVRational){1, TICKS};
    c->framerate = av_d2q(w->rate, TICKS);
    c->gop_size = (int)lrint(fmax(1.0, w->rate * KEY_SECONDS));
    c->thread_count = (int)(w->threads > 16 ? 16 : w->threads);
    /* What the scaler makes of R G B when it is not told otherwise. */
    c->colorspace = AVCOL_SPC_SMPTE170M;
    c->color_range = AVCOL_RANGE_MPEG;
    if (c->codec_id == AV_CODEC_ID_MPEG4) {
        c->flags |= AV_CODEC_FLAG_QSCALE;
        c->global_quality = 3 * FF_QP2LAMBDA;
    } else {
        (void)av_opt_set(c->priv_data, "preset", "veryfast", 0);
        (void)av_opt_set(c->priv_data, "crf", "20", 0);
    }
    if (w->format->oformat->flags & AVFMT_GLOBALHEADER)
        c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
}

static caface_status begin(cafi_video_writer *w, const cafi_view *picture, caface_error *err)
{
    AVStream *stream = avformat_new_stream(w->format, NULL);
    int code;

    w->codec = avcodec_alloc_context3(w->encoder);
    if (!stream || !w->codec)
        return cafi_fail_memory(err, sizeof *w->codec);
    describe(w, (int)((picture->width + 1) & ~(size_t)1),
             (int)((picture->height + 1) & ~(size_t)1));
    code = avcodec_open2(w->codec, w->encoder, NULL);
    if (code < 0)
        return fail_av(w, code, "the encoder does not take this size of picture", err);
    stream->time_base = w->codec->time_base;
    stream->avg_frame_rate = w->codec->framerate;
    code = avcodec_parameters_from_context(stream->codecpar, w->codec);
    if (code >= 0)
        code = avformat_write_header(w->format, NULL);
    if (code < 0)
        return fail_av(w, code, "cannot be begun", err);
    w->frame->format = w->codec->pix_fmt;
    w->frame->width = w->codec->width;
    w->frame->height = w->codec->height;
    w->frame->colorspace = w->codec->colorspace;
    w->frame->color_range = w->codec->color_range;
    code = av_frame_get_buffer(w->frame, 0);
    return code < 0 ? fail_av(w, code, "no memory for a frame", err) : CAFACE_OK;
}

/* A copy of the picture that the scaler's vector code may read a little past. */
static caface_status copy_picture(cafi_video_writer *w, const cafi_view *picture, caface_error *err)
{
    size_t bytes = picture->width * picture->height * 3;
    void *rgb = w->rgb;
    caface_status st = cafi_grow(&rgb, &w->rgb_room, bytes + 64, 1, err);

    w->rgb = rgb;
    if (st)
        return st;
    memcpy(w->rgb, picture->rgb, bytes);
    memset(w->rgb + bytes, 0, 64);
    return CAFACE_OK;
}

/* The picture into w->frame: as it is, or scaled to fit, in black. */
static caface_status fill_frame(cafi_video_writer *w, const cafi_view *picture, caface_error *err)
{
    const uint8_t *from[4] = {w->rgb};
    int from_stride[4] = {(int)picture->width * 3};
    int width = w->frame->width, height = w->frame->height, x = 0, y = 0;
    double scale =
        fmin((double)width / (double)picture->width, (double)height / (double)picture->height);
    uint8_t *to[4] = {NULL};
    const ptrdiff_t strides[4] = {w->frame->linesize[0], w->frame->linesize[1],
                                  w->frame->linesize[2]};
    int code = av_frame_make_writable(w->frame);

    if (code < 0)
        return fail_av(w, code, "no memory for a frame", err);
    if ((picture->width + 1) / 2 * 2 != (size_t)width ||
        (picture->height + 1) / 2 * 2 != (size_t)height) {
        width = (int)fmin(fmax(2.0, 2.0 * rint((double)picture->width * scale / 2.0)), width);
        height = (int)fmin(fmax(2.0, 2.0 * rint((double)picture->height * scale / 2.0)), height);
        x = (w->frame->width - width) / 4 * 2;
        y = (w->frame->height - height) / 4 * 2;
        (void)av_image_fill_black(w->frame->data, strides, w->frame->format, AVCOL_RANGE_MPEG,
                                  w->frame->width, w->frame->height);
    }
    w->scaler = sws_getCachedContext(w->scaler, (int)picture->width, (int)picture->height,
                                     AV_PIX_FMT_RGB24, width, height, w->frame->format,
                                     SWS_BICUBIC | SWS_ACCURATE_RND, NULL, NULL, NULL);
    if (!w->scaler)
        return cafi_fail_memory(err, sizeof(void *));
    to[0] = w->frame->data[0] + y * strides[0] + x;
    to[1] = w->frame->data[1] + y / 2 * strides[1] + x / 2;
    to[2] = w->frame->data[2] + y / 2 * strides[2] + x / 2;
    if (sws_scale(w->scaler, from, from_stride, 0, (int)picture->height, to, w->frame->linesize) <=
        0)
        return cafi_fail(err, CAFACE_EINVAL, "%s: a frame of %zux%zu can't be converted", w->path,
                         picture->width, picture->height);
    return CAFACE_OK;
}

/* Gives the encoder a frame, NULL at the end, and the file what it has made. */
static caface_status encode(cafi_video_writer *w, const AVFrame *frame, caface_error *err)
{
    int code = avcodec_send_frame(w->codec, frame);

    if (code < 0)
        return fail_av(w, code, "a frame cannot be encoded", err);
    while ((code = avcodec_receive_packet(w->codec, w->packet)) >= 0) {
        av_packet_rescale_ts(w->packet, w->codec->time_base, w->format->streams[0]->time_base);
        code = av_interleaved_write_frame(w->format, w->packet);
        if (code < 0 || w->io.status)
            return fail_av(w, code, "cannot be written", err);
    }
    return code == AVERROR(EAGAIN) || code == AVERROR_EOF
               ? CAFACE_OK
               : fail_av(w, code, "a frame cannot be encoded", err);
}

caface_status cafi_video_writer_add(cafi_video_writer *w, const cafi_view *picture, double seconds,
                                    caface_error *err)
{
    double ticks = rint(seconds * TICKS);
    caface_status st = CAFACE_OK;

    if (picture->width == 0 || picture->height == 0 || picture->width > 65535 ||
        picture->height > 65535)
        return cafi_fail(err, CAFACE_EINVAL, "%s: a frame of %zux%zu cannot be written", w->path,
                         picture->width, picture->height);
    if (!w->codec) {
        st = begin(w, picture, err);
        w->frame->pts = 0;
    } else {
        w->frame->pts = w->last + 1;
    }
    if (isfinite(ticks) && ticks > (double)w->frame->pts && ticks < 9e15)
        w->frame->pts = (int64_t)ticks;
    if (st || (st = copy_picture(w, picture, err)) || (st = fill_frame(w, picture, err)))
        return st;
    w->last = w->frame->pts;
    return encode(w, w->frame, err);
}

caface_status cafi_video_writer_commit(cafi_video_writer *w, caface_error *err)
{
    caface_status st = CAFACE_OK;
    int code = 0;

    if (!w->codec)
        st = cafi_fail(err, CAFACE_EINVAL, "%s: a video without a frame", w->path);
    if (!st)
        st = encode(w, NULL, err);
    if (!st) {
        code = av_write_trailer(w->format);
        avio_flush(w->format->pb);
        if (code < 0 || w->io.status)
            st = fail_av(w, code, "cannot be finished", err);
    }
    if (!st) {
        st = cafi_output_commit(w->file, err);
        w->file = NULL;
    }
    cafi_video_writer_abort(w);
    return st;
}
