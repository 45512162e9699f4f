#include "media/clip.h"

caface_status cafi_clip_code(uint8_t *out, const uint8_t *frames, size_t count, size_t width,
                             size_t height, int factor, size_t which, caface_error *err)
{
    (void)out;
    (void)frames;
    (void)count;
    (void)width;
    (void)height;
    (void)factor;
    (void)which;
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "video coding needs FFmpeg, which this build does not have");
}
