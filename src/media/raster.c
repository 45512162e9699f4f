#include "media/raster.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void cafi_image_clear(cafi_image *image)
{
    free(image->rgb);
    *image = (cafi_image){0};
}

cafi_view cafi_image_view(const cafi_image *image)
{
    return (cafi_view){image->rgb, image->width, image->height};
}

caface_status cafi_image_check(size_t width, size_t height, caface_error *err)
{
    if (width == 0 || height == 0)
        return cafi_fail(err, CAFACE_EFORMAT, "a picture of %zux%zu pixels", width, height);
    if (width > CAFI_IMAGE_MAX_SIDE || height > CAFI_IMAGE_MAX_SIDE ||
        width * height > CAFI_IMAGE_MAX_PIXELS)
        return cafi_fail(err, CAFACE_ELIMIT,
                         "a picture of %zux%zu pixels; the limit is %zu pixels, %d on a side",
                         width, height, CAFI_IMAGE_MAX_PIXELS, CAFI_IMAGE_MAX_SIDE);
    return CAFACE_OK;
}

caface_status cafi_image_reserve(cafi_image *out, size_t width, size_t height, size_t channels,
                                 caface_error *err)
{
    void *p = NULL;
    caface_status st = cafi_image_check(width, height, err);

    if (st || (st = cafi_alloc(&p, width * height, channels, err)))
        return st;
    *out = (cafi_image){p, width, height};
    return CAFACE_OK;
}

/* ---- orientation ------------------------------------------------------- */

static unsigned read_number(const unsigned char *p, size_t n, bool big)
{
    unsigned v = 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[big ? i : n - 1 - i];
    return v;
}

/* TIFF: byte order, 42, the offset of the first directory; a directory is a
 * count and entries of twelve bytes. Orientation is tag 0x112, a short. */
int cafi_exif_orientation(const unsigned char *tiff, size_t size)
{
    bool big = false;
    size_t at = 0;
    size_t count = 0;

    if (size < 8 || (memcmp(tiff, "II*\0", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return 1;
    big = tiff[0] == 'M';
    at = read_number(tiff + 4, 4, big);
    if (at > size || size - at < 2)
        return 1;
    count = read_number(tiff + at, 2, big);
    at += 2;
    for (size_t i = 0; i < count && size - at >= 12; i++, at += 12) {
        unsigned value = read_number(tiff + at + 8, 2, big);

        if (read_number(tiff + at, 2, big) == 0x112)
            return read_number(tiff + at + 2, 2, big) == 3 && value >= 1 && value <= 8 ? (int)value
                                                                                       : 1;
    }
    return 1;
}

caface_status cafi_image_orient(cafi_image *image, int orientation, caface_error *err)
{
    bool swap = orientation >= 5; /* rows become columns */
    bool right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool down = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    size_t W = swap ? image->height : image->width;
    size_t H = swap ? image->width : image->height;
    cafi_image turned = {0};
    caface_status st = CAFACE_OK;

    if (orientation <= 1 || orientation > 8)
        return CAFACE_OK;
    if ((st = cafi_image_reserve(&turned, W, H, 3, err)))
        return st;
    for (size_t y = 0; y < H; y++)
        for (size_t x = 0; x < W; x++) {
            /* where the upright pixel lies in the stored picture */
            size_t sx = swap ? y : x;
            size_t sy = swap ? x : y;

            if (right)
                sx = image->width - 1 - sx;
            if (down)
                sy = image->height - 1 - sy;
            memcpy(turned.rgb + 3 * (y * W + x), image->rgb + 3 * (sy * image->width + sx), 3);
        }
    cafi_image_clear(image);
    *image = turned;
    return CAFACE_OK;
}
