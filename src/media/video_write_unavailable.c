/* In place of video_write.c where FFmpeg is not there. */
#include "media/video_write.h"

caface_status cafi_video_writer_open(cafi_video_writer **out, const char *path, double rate,
                                     size_t threads, caface_error *err)
{
    (void)rate;
    (void)threads;
    *out = NULL;
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "%s: this build writes no video: it was made without FFmpeg", path);
}

caface_status cafi_video_writer_add(cafi_video_writer *writer, const cafi_view *picture,
                                    double seconds, caface_error *err)
{
    (void)writer;
    (void)picture;
    (void)seconds;
    return cafi_fail(err, CAFACE_EUNSUPPORTED, "this build writes no video");
}

caface_status cafi_video_writer_commit(cafi_video_writer *writer, caface_error *err)
{
    (void)writer;
    return cafi_fail(err, CAFACE_EUNSUPPORTED, "this build writes no video");
}

void cafi_video_writer_abort(cafi_video_writer *writer)
{
    (void)writer;
}
