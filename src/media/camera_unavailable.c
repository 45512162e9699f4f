#include "media/camera.h"

caface_status cafi_camera_format(const char *path, const AVInputFormat **out, caface_error *err)
{
    *out = NULL;
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "%s: this build reads no cameras: install libavdevice-dev and build again",
                     path);
}
