#include "media/video.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "base/text.h"
#include "media/folder.h"
#include "media/image.h"

/* A folder's pictures have no times of their own. */
#define FOLDER_RATE 25.0
/* Seconds between two tries to open a live source again: doubled from the first to the most. */
#define FIRST_PAUSE 0.1
#define MOST_PAUSE 2.0

/* A source that may break and come back. A frame comes late, never early: behind its stream, and
 * the decoder's last ones when the silence ends. So the least that the clock was ahead of frames'
 * times is what tells the time of now. */
typedef struct live_state {
    double until; /* by the clock: then what is under way is given up */
    double ahead; /* clock less time, the least so far */
    double last;  /* time of the last frame */
    double shift; /* from the stream's times to ours */
    double lost;  /* by the clock: when it broke */
    double pause; /* before the next try */
    bool away;    /* no frame has come since */
} live_state;

struct cafi_video {
    cafi_stream *stream; /* NULL for a folder, and while a live source is away */
    cafi_stream_info info;
    live_state live;
    cafi_folder folder;
    size_t next; /* of the folder's pictures */
    cafi_image image;
    cafi_stream_counts counts; /* of a folder, and of streams that are closed */
    cafi_video_options options;
    char *path;
    cafi_clip clip;
};

cafi_clip_step cafi_clip_next(cafi_clip *c, double seconds, cafi_frame *frame)
{
    if (seconds < c->start)
        return CAFI_CLIP_SKIP;
    if (c->seen == 0)
        c->first = seconds;
    if (c->duration > 0.0 && seconds >= c->first + c->duration)
        return CAFI_CLIP_END;
    frame->index = c->seen++;
    frame->seconds = seconds;
    return c->every > 1 && frame->index % c->every ? CAFI_CLIP_SKIP : CAFI_CLIP_TAKE;
}

const char *cafi_chroma_name(cafi_chroma chroma)
{
    static const char *const names[] = {
        [CAFI_CHROMA_FULL] = "full", [CAFI_CHROMA_FAST] = "fast", [CAFI_CHROMA_OPENCV] = "opencv"};

    return names[chroma];
}

bool cafi_chroma_parse(cafi_chroma *out, const char *text)
{
    for (size_t i = 0; i < CAFI_CHROMA_COUNT; i++)
        if (!strcmp(text, cafi_chroma_name((cafi_chroma)i))) {
            *out = (cafi_chroma)i;
            return true;
        }
    return false;
}

static bool is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* ---- opening ---------------------------------------------------------------- */

static double clock_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool is_given_up(void *ctx)
{
    const cafi_video *v = ctx;

    return cafi_wished(v->options.stop) || clock_seconds() > v->live.until;
}

static caface_status open_stream(cafi_video *v, caface_error *err)
{
    const cafi_wish stop = {is_given_up, v};
    caface_status st = cafi_stream_open(&v->stream, v->path, v->options.threads, stop, err);

    if (!st)
        cafi_stream_set_chroma(v->stream, v->options.chroma);
    return st;
}

static caface_status open_source(cafi_video *v, caface_error *err)
{
    caface_status st = CAFACE_OK;

    if (is_folder(v->path))
        st = cafi_folder_open(&v->folder, v->path, err);
    else if (!(st = open_stream(v, err))) {
        cafi_stream_seek(v->stream, v->options.start);
        v->info = cafi_stream_get_info(v->stream);
    }
    if (!st && v->options.live && !v->info.live)
        st = cafi_fail(err, CAFACE_EINVAL,
                       "%s: live is for a camera, a pipe or an address; this one waits until it "
                       "is read",
                       v->path);
    return st;
}

caface_status cafi_video_open(cafi_video **out, const char *path, const cafi_video_options *options,
                              caface_error *err)
{
    cafi_video *v = NULL;
    caface_status st = CAFI_NEW(&v, 1, err);

    *out = NULL;
    if (st)
        return st;
    if (options)
        v->options = *options;
    if (v->options.silence == 0.0)
        v->options.silence = CAFI_VIDEO_SILENCE;
    v->clip = (cafi_clip){
        .every = v->options.every, .start = v->options.start, .duration = v->options.duration};
    v->live =
        (live_state){.until = (double)INFINITY, .ahead = (double)INFINITY, .pause = FIRST_PAUSE};
    (void)((st = cafi_strdup(&v->path, path, err)) || (st = open_source(v, err)));
    if (st) {
        cafi_video_close(v);
        return st;
    }
    *out = v;
    return CAFACE_OK;
}

void cafi_video_close(cafi_video *v)
{
    if (!v)
        return;
    cafi_stream_close(v->stream);
    cafi_folder_clear(&v->folder);
    cafi_image_clear(&v->image);
    free(v->path);
    free(v);
}

/* The folder's next good picture; the others are counted. */
static caface_status next_picture(cafi_video *v, double *seconds, bool *got, caface_error *err)
{
    for (*got = false; !*got && v->next < v->folder.count; v->next++) {
        caface_status st = cafi_image_read(&v->image, v->folder.paths[v->next], err);

        if (st == CAFACE_ENOMEM)
            return st;
        *got = st == CAFACE_OK;
        v->counts.decoded += *got;
        v->counts.broken += !*got;
        *seconds = (double)v->next / FOLDER_RATE;
    }
    return CAFACE_OK;
}

/* ---- a live source that breaks ------------------------------------------------ */

static void say(const cafi_video *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(const cafi_video *v, const char *format, ...)
{
    char text[512];
    va_list args;

    if (!v->options.say)
        return;
    va_start(args, format);
    cafi_vformat(text, sizeof text, format, args);
    va_end(args);
    v->options.say(v->options.say_ctx, text);
}

/* The stream is over: what it came to is kept. */
static void close_stream(cafi_video *v)
{
    cafi_stream_counts c = cafi_video_counts(v);

    cafi_stream_close(v->stream);
    v->stream = NULL;
    v->counts =
        (cafi_stream_counts){.decoded = c.decoded, .broken = c.broken, .reopened = c.reopened};
}

/* Its time among ours: behind a break they go on by the clock. */
static double live_time(cafi_video *v, double seconds)
{
    live_state *l = &v->live;
    double now = clock_seconds();

    if (l->away) {
        if (v->counts.decoded)
            l->shift = fmax(l->last, now - l->ahead) - seconds;
        v->counts.reopened++;
        l->away = false;
        l->pause = FIRST_PAUSE;
        say(v, "%s: is back after %.1f s", v->path, now - l->lost);
    }
    l->last = seconds + l->shift;
    l->ahead = fmin(l->ahead, now - l->last);
    return l->last;
}

/* False when somebody wants to stop meanwhile. */
static bool pause_a_while(const cafi_video *v, double seconds)
{
    const struct timespec moment = {0, 20000000};
    double until = clock_seconds() + seconds;

    while (!cafi_wished(v->options.stop) && clock_seconds() < until)
        nanosleep(&moment, NULL);
    return !cafi_wished(v->options.stop);
}

/* Opens the source again; without a stream afterwards, that was given up. */
static caface_status reopen(cafi_video *v, caface_error *err)
{
    live_state *l = &v->live;
    double last = 0.0;
    caface_error why = {CAFACE_OK, ""};

    close_stream(v);
    if (!l->away) {
        l->away = true;
        l->lost = clock_seconds();
        say(v, "%s: broke off at %.2f s; it is tried again for %g s", v->path, l->last,
            v->options.reopen);
    }
    last = l->lost + v->options.reopen;
    while (clock_seconds() < last && pause_a_while(v, fmin(l->pause, last - clock_seconds()))) {
        l->pause = fmin(2.0 * l->pause, MOST_PAUSE);
        l->until = fmin(clock_seconds() + v->options.silence, last);
        if (!open_stream(v, &why))
            return CAFACE_OK;
        if (why.status == CAFACE_ENOMEM) {
            *err = why;
            return why.status;
        }
    }
    if (!cafi_wished(v->options.stop)) {
        v->counts.lost = true;
        v->counts.reached = l->last;
    }
    return CAFACE_OK;
}

/* May what ended be there again? */
static bool may_come_back(const cafi_video *v)
{
    return v->options.reopen > 0.0 && !v->info.pipe && !cafi_wished(v->options.stop) &&
           !cafi_stream_is_whole(v->stream);
}

static caface_status advance_live(cafi_video *v, double *seconds, bool *got, caface_error *err)
{
    caface_status st = CAFACE_OK;

    for (*got = false; v->stream && !st;) {
        v->live.until = clock_seconds() + v->options.silence;
        if ((st = cafi_stream_advance(v->stream, seconds, got, err)))
            break;
        if (*got) {
            *seconds = live_time(v, *seconds);
            break;
        }
        if (!may_come_back(v))
            break;
        st = reopen(v, err);
    }
    return st;
}

/* ---- frames ------------------------------------------------------------------- */

static caface_status advance(cafi_video *v, double *seconds, bool *got, caface_error *err)
{
    if (v->options.live)
        return advance_live(v, seconds, got, err);
    return v->stream ? cafi_stream_advance(v->stream, seconds, got, err)
                     : next_picture(v, seconds, got, err);
}

static caface_status pixels(cafi_video *v, cafi_frame *frame, caface_error *err)
{
    caface_status st;

    if (v->stream)
        return cafi_stream_pixels(v->stream, frame, err);
    st = cafi_frame_reserve(frame, v->image.width, v->image.height, err);
    if (!st)
        memcpy(frame->rgb, v->image.rgb, v->image.width * v->image.height * 3);
    return st;
}

caface_status cafi_video_next(cafi_video *v, cafi_frame *frame, bool *got, caface_error *err)
{
    for (;;) {
        double seconds = 0.0;
        cafi_clip_step step = CAFI_CLIP_SKIP;
        caface_status st = advance(v, &seconds, got, err);

        if (st)
            return cafi_prefix(err, st, v->path);
        if (!*got) {
            if (cafi_video_counts(v).decoded == 0)
                return cafi_fail(err, CAFACE_EFORMAT, "%s: no frame could be decoded%s", v->path,
                                 v->info.pipe ? " (an MP4 whose index is at its end cannot be read "
                                                "through a pipe: give the file itself, or write it "
                                                "with -movflags +faststart)"
                                              : "");
            return CAFACE_OK;
        }
        step = cafi_clip_next(&v->clip, seconds, frame);
        *got = step == CAFI_CLIP_TAKE;
        if (step == CAFI_CLIP_SKIP)
            continue;
        if (step == CAFI_CLIP_END)
            return CAFACE_OK;
        st = pixels(v, frame, err);
        return st ? cafi_prefix(err, st, v->path) : CAFACE_OK;
    }
}

cafi_stream_info cafi_video_info(const cafi_video *v)
{
    cafi_stream_info info = {.codec = "pictures",
                             .width = v->image.width,
                             .height = v->image.height,
                             .rate = FOLDER_RATE,
                             .duration = (double)v->folder.count / FOLDER_RATE,
                             .frames = v->folder.count};

    return v->folder.count ? info : v->info;
}

cafi_stream_counts cafi_video_counts(const cafi_video *v)
{
    cafi_stream_counts sum = v->counts;

    if (v->stream) {
        cafi_stream_counts c = cafi_stream_get_counts(v->stream);

        c.decoded += sum.decoded;
        c.broken += sum.broken;
        c.reopened = sum.reopened;
        return c;
    }
    return sum;
}

bool cafi_counts_complete(const cafi_stream_counts *c)
{
    return !c->broken && !c->missing && !c->lost;
}

const char *cafi_counts_text(const cafi_stream_counts *c, char *text, size_t size)
{
    int n = 0;

    if (c->lost) {
        cafi_format(
            text, size,
            "it broke off at %.2f s and could not be opened again; %zu frame%s could not be "
            "decoded, %zu could",
            c->reached, c->broken, cafi_plural(c->broken), c->decoded);
        return text;
    }
    n = snprintf(text, size, "%zu frame%s could not be decoded, %zu could", c->broken + c->missing,
                 cafi_plural(c->broken + c->missing), c->decoded);

    if (c->announced > 0.0 && n > 0 && (size_t)n < size)
        cafi_format(text + n, size - (size_t)n, "; it should last %.2f s and ends at %.2f s",
                    c->announced, c->reached);
    else if (c->bytes && n > 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n,
                 "; the file breaks off at %llu bytes, inside a part that ends at %llu",
                 (unsigned long long)c->bytes, (unsigned long long)c->part_end);
    return text;
}
