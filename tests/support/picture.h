/* Pictures drawn by tests: no photograph of anyone is in this repository. */
#ifndef CAFACE_TESTS_PICTURE_H
#define CAFACE_TESTS_PICTURE_H

#include <stddef.h>
#include <stdint.h>

/* u8 [height][width][channels] of smooth blobs, another picture for every seed;
 * the caller frees. */
uint8_t *picture_draw(size_t width, size_t height, size_t channels, uint64_t seed);

/* Writes files; 0 on success.
 *   JPEG: channels 1 (grey), 3 (RGB) or 4 (CMYK, inverted as Adobe does);
 *         orientation 0 writes no EXIF block; progressive for scans.
 *   PNG:  8-bit grey, grey + alpha, RGB, RGBA by channels; see libpng's types. */
typedef struct picture_jpeg {
    int quality, orientation, progressive;
} picture_jpeg;
int picture_save_jpeg(const char *path, const uint8_t *pixels, size_t width, size_t height,
                      size_t channels, picture_jpeg how);
int picture_save_png(const char *path, const uint8_t *pixels, size_t width, size_t height,
                     size_t channels, int interlaced);

#endif
