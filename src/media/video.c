#include "media/video.h"

#include <stdlib.h>

#include "base/mem.h"

struct cafi_video {
    cafi_stream *stream;
    cafi_video_options options;
    char *path;
    size_t seen;  /* frames at or after the start */
    double first; /* time of the first of them */
};

caface_status cafi_video_open(cafi_video **out, const char *path, const cafi_video_options *options,
                              caface_error *err)
{
    cafi_video *v = NULL;
    void *memory = NULL;
    caface_status st = cafi_alloc(&memory, 1, sizeof *v, err);

    *out = NULL;
    if (st)
        return st;
    v = memory;
    if (options)
        v->options = *options;
    if (v->options.every == 0)
        v->options.every = 1;
    (void)((st = cafi_strdup(&v->path, path, err)) ||
           (st = cafi_stream_open(&v->stream, path, v->options.threads, err)));
    if (st) {
        cafi_video_close(v);
        return st;
    }
    cafi_stream_seek(v->stream, v->options.start);
    *out = v;
    return CAFACE_OK;
}

void cafi_video_close(cafi_video *v)
{
    if (!v)
        return;
    cafi_stream_close(v->stream);
    free(v->path);
    free(v);
}

caface_status cafi_video_next(cafi_video *v, cafi_frame *frame, bool *got, caface_error *err)
{
    const cafi_video_options *o = &v->options;

    for (;;) {
        double seconds = 0.0;
        caface_status st = cafi_stream_advance(v->stream, &seconds, got, err);

        if (st)
            return cafi_prefix(err, st, v->path);
        if (!*got) {
            if (cafi_stream_get_counts(v->stream).decoded == 0)
                return cafi_fail(err, CAFACE_EFORMAT, "%s: no frame could be decoded", v->path);
            return CAFACE_OK;
        }
        if (seconds < o->start)
            continue;
        if (v->seen == 0)
            v->first = seconds;
        if (o->duration > 0.0 && seconds >= v->first + o->duration) {
            *got = false;
            return CAFACE_OK;
        }
        frame->index = v->seen++;
        frame->seconds = seconds;
        if (frame->index % o->every)
            continue;
        st = cafi_stream_pixels(v->stream, frame, err);
        return st ? cafi_prefix(err, st, v->path) : CAFACE_OK;
    }
}

cafi_stream_info cafi_video_info(const cafi_video *v)
{
    return cafi_stream_get_info(v->stream);
}

cafi_stream_counts cafi_video_counts(const cafi_video *v)
{
    return cafi_stream_get_counts(v->stream);
}
