/* A build without the part for pictures knows neither pictures nor videos. */
#include "convert/kinds.h"

caface_status cafi_kind_of_picture(cafi_kind *out, const char *path, const void *bytes, size_t size,
                                   caface_error *err)
{
    (void)out;
    (void)path;
    (void)bytes;
    (void)size;
    (void)err;
    return CAFACE_OK;
}

caface_status cafi_kind_of_video(cafi_kind *out, const char *path, caface_error *err)
{
    (void)out;
    (void)path;
    (void)err;
    return CAFACE_OK;
}

bool cafi_kind_is_picture_name(const char *name)
{
    (void)name;
    return false;
}
