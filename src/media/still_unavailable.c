/* A build without FFmpeg. */
#include "media/still.h"

caface_status cafi_still_decode(cafi_image *out, const unsigned char *bytes, size_t size,
                                cafi_image_about *about, caface_error *err)
{
    const char *kind = cafi_still_kind(bytes, size);

    (void)out;
    (void)about;
    return cafi_fail(err, CAFACE_EUNSUPPORTED,
                     "a %s picture: this build has no FFmpeg to decode it", kind ? kind : "JPEG");
}
