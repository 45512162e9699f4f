/* caface/image.h - a picture: decoded from a file, or the caller's own pixels
 * (libcaface-vision).
 *
 *     caface_image *image;
 *
 *     caface_image_open(&image, "ann.jpg", &err);
 *     ... caface_detector_find, caface_align ...
 *     caface_image_free(image);
 *
 * The pixels of a camera are wrapped without a copy: give their format, the planes, and the
 * distance between rows.
 *
 *     caface_pixels p;
 *
 *     caface_pixels_init(&p);
 *     p.format = CAFACE_PIXELS_NV12;
 *     p.width = 1920;
 *     p.height = 1080;
 *     p.plane[0] = y, p.stride[0] = 2048;
 *     p.plane[1] = uv, p.stride[1] = 2048;
 *     caface_image_wrap(&image, &p, &err);
 *
 * An image is immutable: any number of threads may use it at the same time. */
#ifndef CAFACE_IMAGE_H
#define CAFACE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct caface_image caface_image;

/* How pixels lie in memory, 8 bits a channel. */
typedef enum caface_pixel_format {
    CAFACE_PIXELS_RGB = 0, /* plane 0: R G B */
    CAFACE_PIXELS_BGR,     /* plane 0: B G R, as OpenCV has them */
    CAFACE_PIXELS_RGBA,    /* plane 0: R G B and a byte that is ignored */
    CAFACE_PIXELS_BGRA,    /* plane 0: B G R and a byte that is ignored */
    CAFACE_PIXELS_GREY,    /* plane 0: one byte, used for all three channels */
    CAFACE_PIXELS_NV12,    /* plane 0: Y; plane 1: U V, one pair for two by two pixels */
    CAFACE_PIXELS_I420     /* plane 0: Y; planes 1 and 2: U and V, halved both ways */
} caface_pixel_format;

/* The colour matrix and range of NV12 and I420. */
typedef enum caface_yuv {
    CAFACE_YUV_BT601 = 0,  /* Y from 16 to 235; the usual one when nothing else is stated */
    CAFACE_YUV_BT709,      /* the same range, the matrix of HD video */
    CAFACE_YUV_BT601_FULL, /* Y from 0 to 255, as JPEG has it */
    CAFACE_YUV_BT709_FULL
} caface_yuv;

/* A picture in the caller's memory. Later versions add members at the end (caface/version.h). */
typedef struct caface_pixels {
    size_t size; /* of this struct, set by init */
    caface_pixel_format format;
    caface_yuv yuv;       /* for NV12 and I420 only. Default BT601 */
    size_t width, height; /* when one is odd, the size of the chroma planes is rounded up */
    const void
        *plane[3]; /* the top row of each plane; planes that the format does not have are ignored */
    ptrdiff_t stride[3]; /* bytes from a row to the next lower one; negative when rows are stored
                            from the bottom. 0: rows without gaps. Default 0 */
} caface_pixels;

/* RGB of 0x0 pixels, to be filled. */
static inline void caface_pixels_init(caface_pixels *pixels);
/* The inline function calls this with sizeof *pixels; nothing is written beyond that size. */
CAFACE_API void caface_pixels_init_sized(caface_pixels *pixels, size_t size);

/* Larger pictures are refused with ELIMIT, before memory is allocated for them: pixels in all, and
 * pixels on a side. */
#define CAFACE_IMAGE_MAX_PIXELS 100000000
#define CAFACE_IMAGE_MAX_SIDE 65500

/* Reads a picture and turns it upright, by its EXIF orientation or, for AVIF and HEIC, by their
 * container. Its kind is found from its bytes: JPEG and PNG; WebP, BMP, GIF, TIFF, AVIF and HEIC in
 * builds with FFmpeg. 16 bits per channel become 8, and transparent pixels are put on black. The
 * caller frees *out with caface_image_free; it is NULL on failure. EINVAL: null argument. EIO:
 * cannot be read, or not a regular file. EFORMAT: not a known kind of picture, or damaged (part of
 * a picture is never returned). EUNSUPPORTED: a kind that this build does not decode. ELIMIT: see
 * above, or a file of more than 256 MiB. ENOMEM. */
CAFACE_API caface_status caface_image_open(caface_image **out, const char *path, caface_error *err);
/* The same from the bytes of such a file, which are borrowed for the call. */
CAFACE_API caface_status caface_image_decode(caface_image **out, const void *bytes, size_t size,
                                             caface_error *err);

/* Makes an image of the caller's pixels without a copy: the planes must not change before
 * caface_image_free (the struct itself may). RGB without gaps is used directly; other formats are
 * converted once, when a call first needs it. A chroma sample is used for its two by two pixels;
 * converted values are within 1 of the exact ones. EINVAL: null argument or plane, no pixels, an
 * unknown format or yuv, a stride shorter than a row (the message names both numbers).
 * EUNSUPPORTED: a member of a later version is set. ELIMIT: see above. ENOMEM. */
CAFACE_API caface_status caface_image_wrap(caface_image **out, const caface_pixels *pixels,
                                           caface_error *err);

/* NULL is allowed. No call that uses the image may be running. */
CAFACE_API void caface_image_free(caface_image *image);

/* Pixels in a row, and number of rows. 0 for NULL. */
CAFACE_API size_t caface_image_width(const caface_image *image);
CAFACE_API size_t caface_image_height(const caface_image *image);

/* The pixels as R G B, converted when needed: u8 [height][width][3], rows without gaps, owned by
 * the image (for wrapped RGB without gaps, the caller's own pixels). EINVAL: null argument. ENOMEM.
 */
CAFACE_API caface_status caface_image_rgb(const caface_image *image, const uint8_t **rgb,
                                          caface_error *err);

static inline void caface_pixels_init(caface_pixels *pixels)
{
    caface_pixels_init_sized(pixels, sizeof *pixels);
}

#ifdef __cplusplus
}
#endif
#endif
