#include "media/stream.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avstring.h>
#include <libavutil/cpu.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>

#include "base/mem.h"
#include "base/text.h"
#include "media/camera.h"
#include "media/colours.h"
#include "media/ebml_file.h"
#include "media/iso_file.h"

/* How the decoded frame is turned: first swap x and y, then mirror. */
typedef struct turn {
    bool swap, mirror_x, mirror_y;
} turn;

struct cafi_stream {
    AVFormatContext *format;
    AVCodecContext *codec;
    cafi_colours colours;
    AVPacket *packet;
    AVFrame *frame;
    uint8_t *flat; /* R G B before it is turned */
    size_t flat_capacity;
    cafi_wish stop;
    int video;        /* index of the stream */
    double origin;    /* subtracted from its time stamps */
    const char *path; /* the caller's */
    double length;    /* seconds announced, 0 when unknown */
    double last;      /* time of the last frame */
    size_t packets;
    bool from_start; /* not wound: packets can be compared with the container's count */
    bool draining;
    bool ended;
    turn turned;
    cafi_stream_info info;
    cafi_stream_counts counts;
    cafi_chroma chroma;
};

/* Pixels of the frames that the decoder's threads work on at once: four of 8K. */
#define THREADS_PIXELS ((size_t)1 << 27)

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare_library(void)
{
    av_log_set_level(AV_LOG_QUIET);
    avformat_network_init();
}

static bool is_pipe(const char *path)
{
    struct stat info;

    return strcmp(path, "-") == 0 || (stat(path, &info) == 0 && S_ISFIFO(info.st_mode));
}

/* A camera's name; /dev/stdin and a shell's <(...) are files or pipes. */
static bool is_device(const char *path)
{
    struct stat info;

    return strncmp(path, "/dev/", 5) == 0 &&
           !(stat(path, &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISREG(info.st_mode)));
}

/* What is named as a file is, by its path; a pipe may have one. */
static bool is_path(const char *path)
{
    return strcmp(path, "-") != 0 && !is_device(path) &&
           (!strstr(path, "://") || strncmp(path, "file://", 7) == 0);
}

static caface_status fail_av(caface_error *err, const char *path, int code, const char *what)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    bool system = code == AVERROR(ENOENT) || code == AVERROR(EACCES) || code == AVERROR(EIO) ||
                  code == AVERROR(EISDIR);

    av_strerror(code, text, sizeof text);
    if (code == AVERROR_EXIT) /* our own wish */
        return cafi_fail(err, CAFACE_EIO, "%s: interrupted", path);
    if (code ==
        AVERROR(ENOMEM)) /* FFmpeg allocates what a file announces: that is the file's fault */
        return cafi_fail(err, CAFACE_ELIMIT, "%s: %s: it asks for more memory than can be had",
                         path, what);
    return cafi_fail(err, system ? CAFACE_EIO : CAFACE_EFORMAT, "%s: %s: %s", path, what, text);
}

static int is_over(void *ctx)
{
    return cafi_wished(((const cafi_stream *)ctx)->stop);
}

static caface_status check_pixels(int width, int height, const char *path, caface_error *err)
{
    if ((int64_t)width * height <= CAFI_FRAME_MAX_PIXELS)
        return CAFACE_OK;
    return cafi_fail(err, CAFACE_ELIMIT, "%s: frames of %dx%d, at most %lld pixels are read", path,
                     width, height, (long long)CAFI_FRAME_MAX_PIXELS);
}

/* Probing decodes a frame: with our limit of pixels, not FFmpeg's, ten times as large. What the
 * container says of the size is forgotten where that fails, and so is looked at first. */
static caface_status probe_streams(cafi_stream *s, const char *path, caface_error *err)
{
    unsigned n = s->format->nb_streams;
    AVDictionary **options = NULL;
    int code = 0;
    caface_status st = CAFI_NEW(&options, n, err);

    for (unsigned i = 0; !st && i < n; i++)
        st = check_pixels(s->format->streams[i]->codecpar->width,
                          s->format->streams[i]->codecpar->height, path, err);
    if (st) {
        free(options);
        return st;
    }
    for (unsigned i = 0; i < n; i++)
        av_dict_set_int(&options[i], "max_pixels", CAFI_FRAME_MAX_PIXELS, 0);
    code = avformat_find_stream_info(s->format, n ? options : NULL);
    for (unsigned i = 0; i < n; i++)
        av_dict_free(&options[i]);
    free(options);
    return code < 0 ? fail_av(err, path, code, "its streams cannot be read") : CAFACE_OK;
}

/* An MP4 that was cut off: says so, and is true. */
static bool lacks_index(const char *path, caface_error *err)
{
    cafi_iso_file boxes;

    if (!cafi_iso_file_read(&boxes, path) || boxes.has_index)
        return false;
    cafi_fail(err, CAFACE_EFORMAT,
              "%s: cannot be opened as a video: an MP4 without its index, which is at its end: it "
              "was cut short at %llu bytes, or its writer did not finish",
              path, (unsigned long long)boxes.size);
    return true;
}

/* The container: probed, and refused where it is text that FFmpeg would draw
 * as a picture of characters. */
static caface_status open_container(cafi_stream *s, const char *path, caface_error *err)
{
    const AVInputFormat *device = NULL;
    AVDictionary *options = NULL;
    const char *name = strcmp(path, "-") == 0 ? "pipe:0" : path;
    char *address = NULL;
    caface_status st = CAFACE_OK;
    int code = 0;

    if (is_device(path) && (st = cafi_camera_format(path, &device, err)))
        return st;
    if (is_path(path)) {
        /* "file:" keeps a name with a colon from being taken for a protocol. */
        if (strncmp(name, "file://", 7) != 0 && !(address = av_asprintf("file:%s", name)))
            return cafi_fail_memory(err, strlen(name));
        av_dict_set(&options, "protocol_whitelist", "file", 0);
    }
    s->format = avformat_alloc_context();
    if (s->format)
        s->format->interrupt_callback = (AVIOInterruptCB){is_over, s};
    code = avformat_open_input(&s->format, address ? address : name, device, &options);
    av_dict_free(&options);
    av_free(address);
    if (code == AVERROR_INVALIDDATA && s->info.pipe)
        return cafi_fail(err, CAFACE_EFORMAT,
                         "%s: cannot be opened as a video. An MP4 whose index is at its end cannot "
                         "be read through a pipe: give the file itself, or write it with "
                         "-movflags +faststart",
                         path);
    if ((code == AVERROR_INVALIDDATA || code == AVERROR_EOF) && lacks_index(path, err))
        return CAFACE_EFORMAT;
    if ((code == AVERROR_EOF || code == AVERROR(EIO)) && is_path(path))
        return cafi_fail(err, CAFACE_EFORMAT, "%s: cannot be opened as a video: it ends too early",
                         path);
    if (code < 0)
        return fail_av(err, path, code, "cannot be opened as a video");
    if (strcmp(s->format->iformat->name, "tty") == 0 ||
        strcmp(s->format->iformat->name, "lavfi") == 0)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: is text, not a video", path);
    return probe_streams(s, path, err);
}

/* Each holds frames of its own: of large ones fewer are decoded at once. */
static int decoder_threads(const AVCodecParameters *p, size_t threads)
{
    size_t pixels = p->width > 0 && p->height > 0 ? (size_t)p->width * (size_t)p->height : 1;
    size_t most = THREADS_PIXELS / pixels;

    if (threads == 0)
        threads = (size_t)av_cpu_count();
    most = most < 1 ? 1 : most > 64 ? 64 : most;
    return (int)(threads < most ? threads : most);
}

static caface_status open_decoder(cafi_stream *s, const char *path, size_t threads,
                                  caface_error *err)
{
    const AVCodec *codec = NULL;
    const AVStream *stream = NULL;
    int code = av_find_best_stream(s->format, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);

    if (code == AVERROR_DECODER_NOT_FOUND && lacks_index(path, err))
        return CAFACE_EFORMAT;
    if (code == AVERROR_DECODER_NOT_FOUND)
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "%s: FFmpeg has no decoder for its video", path);
    if (code < 0)
        return cafi_fail(err, CAFACE_EFORMAT, "%s: holds no video (format %s)", path,
                         s->format->iformat->name);
    s->video = code;
    stream = s->format->streams[code];
    if (check_pixels(stream->codecpar->width, stream->codecpar->height, path, err))
        return CAFACE_ELIMIT;
    for (unsigned i = 0; i < s->format->nb_streams; i++)
        if ((int)i != s->video)
            s->format->streams[i]->discard = AVDISCARD_ALL;
    s->codec = avcodec_alloc_context3(codec);
    if (!s->codec)
        return cafi_fail_memory(err, sizeof(AVCodecContext));
    code = avcodec_parameters_to_context(s->codec, stream->codecpar);
    s->codec->pkt_timebase = stream->time_base;
    s->codec->thread_count = decoder_threads(stream->codecpar, threads);
    s->codec->max_pixels = CAFI_FRAME_MAX_PIXELS;
    if (code >= 0)
        code = avcodec_open2(s->codec, codec, NULL);
    if (code < 0)
        return fail_av(err, path, code, "its decoder cannot be opened");
    return CAFACE_OK;
}

/* The container's display matrix maps x' = a x + c y, y' = b x + d y. Only
 * quarter turns and mirrorings are followed; any other angle is taken as the
 * nearest of them. */
static turn turn_of(const int32_t *m)
{
    turn t = {false, false, false};

    if (!m)
        return t;
    t.swap = llabs((long long)m[1]) > llabs((long long)m[0]);
    t.mirror_x = t.swap ? m[3] < 0 : m[0] < 0;
    t.mirror_y = t.swap ? m[1] < 0 : m[4] < 0;
    return t;
}

/* The container's display matrix, or NULL. FFmpeg 6.1 moved it. */
static const int32_t *matrix_of(const AVStream *stream)
{
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
    const AVCodecParameters *p = stream->codecpar;
    const AVPacketSideData *side = av_packet_side_data_get(
        p->coded_side_data, p->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);

    return side ? (const int32_t *)(const void *)side->data : NULL;
#else
    return (const int32_t *)(const void *)av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX,
                                                                  NULL);
#endif
}

/* Seconds of video that the container announces, 0 when it does not: its own
 * number for this stream (in Matroska a tag), else that of the whole file where
 * there is nothing in it but this stream. */
static double announced_length(const cafi_stream *s, const AVStream *stream)
{
    const AVDictionaryEntry *tag = av_dict_get(stream->metadata, "DURATION", NULL, 0);
    int hours = 0, minutes = 0, at = 0;
    double seconds = 0.0;

    if ((s->info.live && !s->info.pipe) || s->info.rate <= 0.0)
        return 0.0;
    if (tag && sscanf(tag->value, "%d:%d:%n", &hours, &minutes, &at) == 2 && at > 0 && hours >= 0 &&
        minutes >= 0 && (seconds = cafi_strtod(tag->value + at, NULL)) >= 0.0)
        return 3600.0 * hours + 60.0 * minutes + seconds;
    if (s->format->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE)
        return 0.0;
    if (stream->duration > 0)
        return (double)stream->duration * av_q2d(stream->time_base);
    return s->format->nb_streams == 1 ? s->info.duration : 0.0;
}

/* How far it came, as the container counts its length. */
static double length_reached(const cafi_stream *s)
{
    double frame = s->info.rate > 0.0 ? 1.0 / s->info.rate : 0.0;
    /* Matroska's lengths run from second 0 on, MP4's from the first frame. */
    bool from_zero = strstr(s->format->iformat->name, "matroska") != NULL;

    double from = !from_zero ? s->info.first : s->info.live ? -s->origin : 0.0;

    return s->counts.decoded ? s->last - from + frame : 0.0;
}

/* Did as much come as is announced, to a frame? */
static bool ends_in_time(const cafi_stream *s)
{
    return s->length > 0.0 && s->info.rate > 0.0 &&
           s->length - length_reached(s) <= 1.0 / s->info.rate;
}

/* Does the last part of the file, by its own size, end behind the file? That tells of a cut where
 * no length is announced, and of one that is shorter than lengths are exact. */
static bool find_cut(const cafi_stream *s, uint64_t *size, uint64_t *end)
{
    const char *format = s->format->iformat->name;
    cafi_iso_file boxes;
    cafi_ebml_file elements;

    *size = *end = 0;
    if (s->path && strstr(format, "mp4") && cafi_iso_file_read(&boxes, s->path)) {
        *size = boxes.size;
        *end = boxes.end;
    } else if (s->path && strstr(format, "matroska") && cafi_ebml_file_read(&elements, s->path)) {
        *size = elements.size;
        *end = elements.between && ends_in_time(s) ? elements.size : elements.end;
    }
    return *end > *size;
}

/* Half a second and three frames, since lengths are rounded and last frames last differently. */
static double length_slack(const cafi_stream *s)
{
    return fmax(0.5, s->info.rate > 0.0 ? 3.0 / s->info.rate : 0.0);
}

bool cafi_stream_is_whole(const cafi_stream *s)
{
    return s->info.duration > 0.0 &&
           (s->format->duration_estimation_method == AVFMT_DURATION_FROM_BITRATE ||
            s->info.duration - length_reached(s) <= length_slack(s));
}

/* Is a whole video shorter than was announced? */
static void find_missing(cafi_stream *s)
{
    double reached = length_reached(s);
    double frame = s->info.rate > 0.0 ? 1.0 / s->info.rate : 0.0;
    /* a fragmented MP4 announces what its first parts hold */
    bool exact = strstr(s->format->iformat->name, "matroska") != NULL;
    uint64_t size = 0, end = 0;
    bool cut = false;

    if (!s->from_start || is_over(s))
        return;
    if (s->info.frames > s->packets)
        s->counts.missing = s->info.frames - s->packets;
    else if (!s->info.frames && s->length - reached > length_slack(s))
        s->counts.missing = (size_t)lround((s->length - reached) * s->info.rate);
    cut = find_cut(s, &size, &end);
    if (cut && !s->counts.missing && exact && s->length - reached > frame)
        s->counts.missing = (size_t)lround((s->length - reached) * s->info.rate);
    if (s->counts.missing && s->length - reached > frame) {
        s->counts.announced = s->length;
        s->counts.reached = reached;
    }
    if (cut) {
        s->counts.bytes = size;
        s->counts.part_end = end;
        s->counts.broken += !s->counts.broken && !s->counts.missing;
    }
}

static void read_info(cafi_stream *s)
{
    const AVStream *stream = s->format->streams[s->video];
    AVRational rate =
        stream->avg_frame_rate.num > 0 ? stream->avg_frame_rate : stream->r_frame_rate;
    const int32_t *matrix = matrix_of(stream);
    double angle = matrix ? av_display_rotation_get(matrix) : 0.0;

    s->turned = turn_of(matrix);
    s->info.width = (size_t)(s->turned.swap ? s->codec->height : s->codec->width);
    s->info.height = (size_t)(s->turned.swap ? s->codec->width : s->codec->height);
    s->info.rate = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0.0;
    if (s->format->duration > 0)
        s->info.duration = (double)s->format->duration / AV_TIME_BASE;
    s->info.frames = stream->nb_frames > 0 ? (size_t)stream->nb_frames : 0;
    s->info.rotation = isfinite(angle) ? (int)lround(360.0 - angle) % 360 : 0;
    snprintf(s->info.codec, sizeof s->info.codec, "%s", avcodec_get_name(s->codec->codec_id));
    if (stream->start_time != AV_NOPTS_VALUE) {
        double begin = (double)stream->start_time * av_q2d(stream->time_base);

        s->origin = s->info.live || begin < 0.0 ? begin : 0.0;
        s->info.first = begin - s->origin;
    }
    s->length = announced_length(s, stream);
}

caface_status cafi_stream_open(cafi_stream **out, const char *path, size_t threads, cafi_wish stop,
                               caface_error *err)
{
    cafi_stream *s = NULL;
    void *memory = NULL;
    caface_status st;

    *out = NULL;
    pthread_once(&once, prepare_library);
    st = cafi_alloc(&memory, 1, sizeof *s, err);
    if (st)
        return st;
    s = memory;
    s->from_start = true;
    s->path = path;
    s->stop = stop;
    s->info.pipe = is_pipe(path);
    s->info.live = s->info.pipe || !is_path(path);
    s->packet = av_packet_alloc();
    s->frame = av_frame_alloc();
    if (!s->packet || !s->frame)
        st = cafi_fail_memory(err, sizeof(AVFrame));
    if (!st)
        st = open_container(s, path, err);
    if (!st)
        st = open_decoder(s, path, threads, err);
    if (st) {
        cafi_stream_close(s);
        return st;
    }
    read_info(s);
    *out = s;
    return CAFACE_OK;
}

void cafi_stream_close(cafi_stream *s)
{
    if (!s)
        return;
    cafi_colours_clear(&s->colours);
    avcodec_free_context(&s->codec);
    avformat_close_input(&s->format);
    av_packet_free(&s->packet);
    av_frame_free(&s->frame);
    free(s->flat);
    free(s);
}

cafi_stream_info cafi_stream_get_info(const cafi_stream *s)
{
    return s->info;
}

cafi_stream_counts cafi_stream_get_counts(const cafi_stream *s)
{
    return s->counts;
}

void cafi_stream_seek(cafi_stream *s, double seconds)
{
    double base = av_q2d(s->format->streams[s->video]->time_base);
    int64_t target = (int64_t)((seconds + s->origin) / base);

    if (s->info.live || seconds <= 0.0 || base <= 0.0)
        return;
    if (avformat_seek_file(s->format, s->video, INT64_MIN, target, target, 0) >= 0)
        s->from_start = false;
}

/* What breaks off because its reader was told to stop is not broken. */
static void count_broken(cafi_stream *s)
{
    s->counts.broken += !is_over(s);
}

/* Feeds the decoder one packet, or tells it that there are no more. */
static caface_status feed(cafi_stream *s, caface_error *err)
{
    int code = av_read_frame(s->format, s->packet);

    if (code == AVERROR(ENOMEM))
        return cafi_fail(err, CAFACE_ENOMEM, "video: out of memory");
    if (code < 0) {
        s->draining = true;
        /* an end that is none: a fragment or cluster that breaks off */
        if (code != AVERROR_EOF && code != AVERROR_EXIT && !s->info.live)
            count_broken(s);
        (void)avcodec_send_packet(s->codec, NULL);
        return CAFACE_OK;
    }
    if (s->packet->stream_index == s->video) {
        s->packets++;
        code = avcodec_send_packet(s->codec, s->packet);
        if (code < 0 && code != AVERROR(EAGAIN))
            count_broken(s);
    }
    av_packet_unref(s->packet);
    return code == AVERROR(ENOMEM) ? cafi_fail(err, CAFACE_ENOMEM, "video: out of memory")
                                   : CAFACE_OK;
}

static double frame_time(cafi_stream *s)
{
    double t = s->counts.decoded ? s->last + (s->info.rate > 0.0 ? 1.0 / s->info.rate : 0.04) : 0.0;

    if (s->frame->best_effort_timestamp != AV_NOPTS_VALUE)
        t = (double)s->frame->best_effort_timestamp *
                av_q2d(s->format->streams[s->video]->time_base) -
            s->origin;
    if (s->counts.decoded && !(t >= s->last))
        t = s->last;
    return t > 0.0 ? t : 0.0;
}

caface_status cafi_stream_advance(cafi_stream *s, double *seconds, bool *got, caface_error *err)
{
    *got = false;
    while (!s->ended) {
        int code = avcodec_receive_frame(s->codec, s->frame);

        if (code == AVERROR(EAGAIN) && !s->draining) {
            caface_status st = feed(s, err);
            if (st)
                return st;
        } else if (code == 0 && !(s->frame->flags & AV_FRAME_FLAG_CORRUPT) &&
                   !s->frame->decode_error_flags) {
            *seconds = s->last = frame_time(s);
            s->counts.decoded++;
            *got = true;
            return CAFACE_OK;
        } else if (code == 0) {
            count_broken(s);
        } else if (code == AVERROR_EOF || s->draining) {
            s->ended = true;
            find_missing(s);
        } else if (code == AVERROR(ENOMEM)) {
            return cafi_fail(err, CAFACE_ENOMEM, "video: out of memory");
        } else {
            count_broken(s);
        }
    }
    return CAFACE_OK;
}

void cafi_stream_set_chroma(cafi_stream *stream, cafi_chroma chroma)
{
    stream->chroma = chroma;
}

static void turn_pixels(uint8_t *out, const uint8_t *in, size_t width, size_t height, turn t)
{
    size_t out_width = t.swap ? height : width;
    size_t out_height = t.swap ? width : height;

    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++, in += 3) {
            size_t u = t.swap ? y : x, v = t.swap ? x : y;

            if (t.mirror_x)
                u = out_width - 1 - u;
            if (t.mirror_y)
                v = out_height - 1 - v;
            memcpy(out + (v * out_width + u) * 3, in, 3);
        }
}

caface_status cafi_stream_pixels(cafi_stream *s, cafi_frame *frame, caface_error *err)
{
    const AVFrameSideData *side = av_frame_get_side_data(s->frame, AV_FRAME_DATA_DISPLAYMATRIX);
    turn t = side ? turn_of((const int32_t *)(const void *)side->data) : s->turned;
    size_t width = (size_t)s->frame->width, height = (size_t)s->frame->height;
    bool upright = !t.swap && !t.mirror_x && !t.mirror_y;
    caface_status st = check_pixels(s->frame->width, s->frame->height, "video", err);

    if (st ||
        (st = cafi_frame_reserve(frame, t.swap ? height : width, t.swap ? width : height, err)))
        return st;
    if (!upright && s->flat_capacity < width * height * 3) {
        free(s->flat);
        s->flat_capacity = 0;
        if ((st = cafi_alloc_bytes(&s->flat, width * height * 3 + 64, err)))
            return st; /* 64: see cafi_frame_reserve */
        s->flat_capacity = width * height * 3;
    }
    st = cafi_colours_run(&s->colours, s->frame, s->chroma, upright ? frame->rgb : s->flat, err);
    if (st)
        return st;
    if (!upright)
        turn_pixels(frame->rgb, s->flat, width, height, t);
    return CAFACE_OK;
}

const char *cafi_stream_library(void)
{
    return av_version_info();
}
