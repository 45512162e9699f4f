#include "media/camera.h"

#include <libavdevice/avdevice.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void)
{
    avdevice_register_all();
}

caface_status cafi_camera_format(const char *path, const AVInputFormat **out, caface_error *err)
{
    pthread_once(&once, prepare);
    *out = av_find_input_format("v4l2");
    if (!*out)
        return cafi_fail(err, CAFACE_EUNSUPPORTED, "%s: FFmpeg's libavdevice has no v4l2", path);
    return CAFACE_OK;
}
