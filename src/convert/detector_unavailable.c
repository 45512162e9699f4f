/* A build without the part for pictures knows no detector. */
#include "convert/detector.h"

#include "base/status.h"

caface_status cafi_convert_is_detector(bool *is, const char *path, caface_error *err)
{
    (void)path;
    (void)err;
    *is = false;
    return CAFACE_OK;
}

caface_status cafi_convert_detector(const char *const *inputs, size_t count, const char *output,
                                    caface_convert_info *info, caface_error *err)
{
    (void)count;
    (void)output;
    (void)info;
    return cafi_fail(err, CAFACE_EUNSUPPORTED, "%s: this build knows no detector", inputs[0]);
}
