#include "media/clip.h"

#include <stdbool.h>
#include <stdio.h>

#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>

#include "base/mem.h"

/* Both ends of the wire. */
typedef struct clip {
    AVCodecContext *encoder, *decoder;
    struct SwsContext *to_yuv, *to_rgb;
    AVFrame *frame, *decoded;
    AVPacket *packet;
    size_t width, height;
    size_t which, seen; /* the frame wanted, and how many came out */
    uint8_t *out;
} clip;

static caface_status fail_av(int code, const char *what, caface_error *err)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";

    if (code == AVERROR(ENOMEM))
        return cafi_fail(err, CAFACE_ENOMEM, "%s: out of memory", what);
    av_strerror(code, text, sizeof text);
    return cafi_fail(err, CAFACE_EINVAL, "%s: %s", what, text);
}

static caface_status open_encoder(clip *c, int factor, caface_error *err)
{
    const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
    char text[16];
    int code;

    if (!codec)
        return cafi_fail(err, CAFACE_EUNSUPPORTED,
                         "video coding needs libx264, which this FFmpeg does not have");
    c->encoder = avcodec_alloc_context3(codec);
    if (!c->encoder)
        return cafi_fail_memory(err, sizeof *c->encoder);
    c->encoder->width = (int)c->width;
    c->encoder->height = (int)c->height;
    c->encoder->pix_fmt = AV_PIX_FMT_YUV420P;
    c->encoder->time_base = (AVRational){1, 25};
    c->encoder->framerate = (AVRational){25, 1};
    c->encoder->gop_size = CAFI_CLIP_MAX_FRAMES;
    c->encoder->max_b_frames = 0;
    c->encoder->thread_count = 1;
    snprintf(text, sizeof text, "%d", factor);
    (void)av_opt_set(c->encoder->priv_data, "preset", "veryfast", 0);
    (void)av_opt_set(c->encoder->priv_data, "tune", "zerolatency", 0);
    (void)av_opt_set(c->encoder->priv_data, "crf", text, 0);
    code = avcodec_open2(c->encoder, codec, NULL);
    return code < 0 ? fail_av(code, "the video encoder", err) : CAFACE_OK;
}

static caface_status open_decoder(clip *c, caface_error *err)
{
    const AVCodec *codec = avcodec_find_decoder(AV_CODEC_ID_H264);
    int code;

    if (!codec)
        return cafi_fail(err, CAFACE_EUNSUPPORTED,
                         "video coding needs an H.264 decoder, which this FFmpeg does not have");
    c->decoder = avcodec_alloc_context3(codec);
    if (!c->decoder)
        return cafi_fail_memory(err, sizeof *c->decoder);
    c->decoder->thread_count = 1;
    code = avcodec_open2(c->decoder, codec, NULL);
    return code < 0 ? fail_av(code, "the video decoder", err) : CAFACE_OK;
}

static caface_status open_clip(clip *c, int factor, caface_error *err)
{
    int w = (int)c->width;
    int h = (int)c->height;
    int flags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP | SWS_FULL_CHR_H_INT;
    caface_status st;

    av_log_set_level(AV_LOG_QUIET);
    if ((st = open_encoder(c, factor, err)) || (st = open_decoder(c, err)))
        return st;
    c->to_yuv =
        sws_getContext(w, h, AV_PIX_FMT_RGB24, w, h, AV_PIX_FMT_YUV420P, flags, NULL, NULL, NULL);
    c->to_rgb =
        sws_getContext(w, h, AV_PIX_FMT_YUV420P, w, h, AV_PIX_FMT_RGB24, flags, NULL, NULL, NULL);
    c->frame = av_frame_alloc();
    c->decoded = av_frame_alloc();
    c->packet = av_packet_alloc();
    if (!c->to_yuv || !c->to_rgb || !c->frame || !c->decoded || !c->packet)
        return cafi_fail_memory(err, sizeof *c);
    c->frame->format = AV_PIX_FMT_YUV420P;
    c->frame->width = w;
    c->frame->height = h;
    return av_frame_get_buffer(c->frame, 0) < 0 ? cafi_fail_memory(err, 3 * c->width * c->height)
                                                : CAFACE_OK;
}

static void close_clip(clip *c)
{
    avcodec_free_context(&c->encoder);
    avcodec_free_context(&c->decoder);
    sws_freeContext(c->to_yuv);
    sws_freeContext(c->to_rgb);
    av_frame_free(&c->frame);
    av_frame_free(&c->decoded);
    av_packet_free(&c->packet);
}

/* Frames that the decoder has ready; the wanted one is kept. */
static caface_status drain(clip *c, caface_error *err)
{
    for (;;) {
        uint8_t *rows[1] = {c->out};
        int stride[1] = {(int)c->width * 3};
        int code = avcodec_receive_frame(c->decoder, c->decoded);

        if (code == AVERROR(EAGAIN) || code == AVERROR_EOF)
            return CAFACE_OK;
        if (code < 0)
            return fail_av(code, "the video decoder", err);
        if (c->decoded->format != AV_PIX_FMT_YUV420P || c->decoded->width != (int)c->width ||
            c->decoded->height != (int)c->height)
            return cafi_fail(err, CAFACE_EFORMAT, "the video decoder gave another kind of frame");
        if (c->seen++ == c->which)
            sws_scale(c->to_rgb, (const uint8_t *const *)c->decoded->data, c->decoded->linesize, 0,
                      (int)c->height, rows, stride);
    }
}

/* What the encoder has ready goes to the decoder. */
static caface_status pass_on(clip *c, caface_error *err)
{
    for (;;) {
        int code = avcodec_receive_packet(c->encoder, c->packet);
        caface_status st;

        if (code == AVERROR(EAGAIN) || code == AVERROR_EOF)
            return CAFACE_OK;
        if (code < 0)
            return fail_av(code, "the video encoder", err);
        code = avcodec_send_packet(c->decoder, c->packet);
        av_packet_unref(c->packet);
        if (code < 0)
            return fail_av(code, "the video decoder", err);
        if ((st = drain(c, err)))
            return st;
    }
}

static caface_status run(clip *c, const uint8_t *frames, size_t count, caface_error *err)
{
    caface_status st;
    int code = 0;

    for (size_t i = 0; i < count; i++) {
        const uint8_t *rows[1] = {frames + i * c->width * c->height * 3};
        int stride[1] = {(int)c->width * 3};

        if (av_frame_make_writable(c->frame) < 0)
            return cafi_fail_memory(err, 3 * c->width * c->height);
        sws_scale(c->to_yuv, rows, stride, 0, (int)c->height, c->frame->data, c->frame->linesize);
        c->frame->pts = (int64_t)i;
        if ((code = avcodec_send_frame(c->encoder, c->frame)) < 0)
            return fail_av(code, "the video encoder", err);
        if ((st = pass_on(c, err)))
            return st;
    }
    if ((code = avcodec_send_frame(c->encoder, NULL)) < 0)
        return fail_av(code, "the video encoder", err);
    if ((st = pass_on(c, err)))
        return st;
    if ((code = avcodec_send_packet(c->decoder, NULL)) < 0)
        return fail_av(code, "the video decoder", err);
    if ((st = drain(c, err)))
        return st;
    return c->seen > c->which ? CAFACE_OK
                              : cafi_fail(err, CAFACE_EFORMAT,
                                          "%zu frames were coded, %zu came back", count, c->seen);
}

caface_status cafi_clip_code(uint8_t *out, const uint8_t *frames, size_t count, size_t width,
                             size_t height, int factor, size_t which, caface_error *err)
{
    clip c = {.width = width, .height = height, .which = which, .out = out};
    caface_status st;

    if (width < 16 || height < 16 || width > 4096 || height > 4096 || width % 2 || height % 2)
        return cafi_fail(err, CAFACE_EINVAL,
                         "a clip of %zu x %zu: sides must be even and 16 to 4096", width, height);
    if (!count || count > CAFI_CLIP_MAX_FRAMES || which >= count || factor < 0 || factor > 51)
        return cafi_fail(err, CAFACE_EINVAL,
                         "frame %zu of a clip of %zu at rate factor %d: 1 to %d frames, 0 to 51",
                         which, count, factor, CAFI_CLIP_MAX_FRAMES);
    st = open_clip(&c, factor, err);
    if (!st)
        st = run(&c, frames, count, err);
    close_clip(&c);
    return st;
}
