/* Pictures: refused with a sentence, or decoded within the limits. */
#include "fuzz.h"
#include "media/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cafi_image image = {0};
    caface_error err = {CAFACE_OK, ""};

    /* A few bytes may stand for a large picture, which only takes time. */
    if (size >= 24 && data[1] == 'P' && (data[16] || data[17] || data[20] || data[21]))
        return 0;
    if (cafi_image_decode(&image, data, size, &err))
        fuzz_check(err.message[0] != 0 && !image.rgb, "an error without a sentence");
    else
        fuzz_check(image.width * image.height <= CAFI_IMAGE_MAX_PIXELS, "beyond the limit");
    cafi_image_clear(&image);
    return 0;
}
