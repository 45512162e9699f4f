/* In place of stream.c where FFmpeg is not there. */
#include "media/stream.h"

caface_status cafi_stream_open(cafi_stream **out, const char *path, size_t threads, cafi_wish stop,
                               caface_error *err)
{
    (void)threads;
    (void)stop;
    *out = NULL;
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "%s: this build reads no video: it was made without FFmpeg", path);
}

void cafi_stream_close(cafi_stream *stream)
{
    (void)stream;
}

cafi_stream_info cafi_stream_get_info(const cafi_stream *stream)
{
    (void)stream;
    return (cafi_stream_info){0};
}

cafi_stream_counts cafi_stream_get_counts(const cafi_stream *stream)
{
    (void)stream;
    return (cafi_stream_counts){0};
}

void cafi_stream_set_chroma(cafi_stream *stream, cafi_chroma chroma)
{
    (void)stream;
    (void)chroma;
}

bool cafi_stream_is_whole(const cafi_stream *stream)
{
    (void)stream;
    return true;
}

void cafi_stream_seek(cafi_stream *stream, double seconds)
{
    (void)stream;
    (void)seconds;
}

caface_status cafi_stream_advance(cafi_stream *stream, double *seconds, bool *got,
                                  caface_error *err)
{
    (void)stream;
    (void)seconds;
    *got = false;
    return cafi_fail(err, CAFACE_EUNSUPPORTED, "this build reads no video");
}

caface_status cafi_stream_pixels(cafi_stream *stream, cafi_frame *frame, caface_error *err)
{
    (void)stream;
    (void)frame;
    return cafi_fail(err, CAFACE_EUNSUPPORTED, "this build reads no video");
}

const char *cafi_stream_library(void)
{
    return "none";
}
