/* caface/image.h - a picture: decoded from a file, or the caller's own pixels
 * (libcaface-vision).
 *
 *     caface_image *image;
 *
 *     caface_image_open(&image, "ann.jpg", &err);
 *     ... caface_detector_find, caface_align ...
 *     caface_image_free(image);
 *
 * A camera's pixels are wrapped without a copy: name their format, where the
 * planes are and how far apart the rows lie.
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
 * An image is immutable: any number of threads may use one at a time. */
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
    CAFACE_PIXELS_RGBA,    /* plane 0: R G B and a byte that is not looked at */
    CAFACE_PIXELS_BGRA,    /* plane 0: B G R and a byte that is not looked at */
    CAFACE_PIXELS_GREY,    /* plane 0: one byte, taken for all three channels */
    CAFACE_PIXELS_NV12,    /* plane 0: Y; plane 1: U V, one pair for two by two pixels */
    CAFACE_PIXELS_I420     /* plane 0: Y; planes 1 and 2: U and V, halved both ways */
} caface_pixel_format;

/* What Y, U and V mean, of NV12 and I420: matrix and range. */
typedef enum caface_yuv {
    CAFACE_YUV_BT601 = 0,  /* Y from 16 to 235; what is meant where nothing is said */
    CAFACE_YUV_BT709,      /* the same range, the matrix of HD video */
    CAFACE_YUV_BT601_FULL, /* Y from 0 to 255, as JPEG has it */
    CAFACE_YUV_BT709_FULL
} caface_yuv;

/* A picture in the caller's memory. Grows at its end (caface/version.h). */
typedef struct caface_pixels {
    size_t size; /* of this struct, set by init */
    caface_pixel_format format;
    caface_yuv yuv;       /* of NV12 and I420 alone. Default BT601 */
    size_t width, height; /* chroma planes of an odd extent are rounded up */
    const void *plane[3]; /* the top row of each; those that the format has not are not looked at */
    ptrdiff_t stride[3];  /* bytes from a row to the one below; negative where rows are stored
                           * bottom first. 0: rows without gaps. Default 0 */
} caface_pixels;

/* RGB of 0x0 pixels, to be filled. */
static inline void caface_pixels_init(caface_pixels *pixels);
/* What it calls: size is sizeof *pixels of the program; nothing is written beyond it. */
CAFACE_API void caface_pixels_init_sized(caface_pixels *pixels, size_t size);

/* What is refused before memory is had for it (ELIMIT): pixels in all, pixels
 * on a side. */
#define CAFACE_IMAGE_MAX_PIXELS 100000000
#define CAFACE_IMAGE_MAX_SIDE 65500

/* Reads a picture, recognised by its bytes (JPEG and PNG; WebP, BMP, GIF, TIFF,
 * AVIF and HEIC where this build has FFmpeg), and turns it upright by
 * its EXIF orientation (AVIF and HEIC: by what their container says). 16 bits become 8,
 * transparency is put on black. *out is the caller's, to caface_image_free; NULL on failure.
 * EINVAL: null argument. EIO: cannot be read, or no regular file. EFORMAT: no picture that is
 * known, or damaged: never half a picture. EUNSUPPORTED: of a kind that this build does not decode.
 * ELIMIT: see above, or a file of more than 256 MiB. ENOMEM. */
CAFACE_API caface_status caface_image_open(caface_image **out, const char *path, caface_error *err);
/* The same from the bytes of such a file, which are the caller's again when
 * this returns. */
CAFACE_API caface_status caface_image_decode(caface_image **out, const void *bytes, size_t size,
                                             caface_error *err);

/* An image of the caller's pixels. Nothing is copied: the planes must stay as
 * they are until caface_image_free (the struct itself need not). RGB without
 * gaps is used where it is; other formats are converted when a call first needs
 * them, once an image.
 * A chroma sample stands for its two by two pixels; results of the conversion
 * are within 1 of the exact ones.
 * EINVAL: null argument or plane, no pixels, no such format or yuv, a stride
 * shorter than a row (both numbers are named). EUNSUPPORTED: a member of a later
 * version is set. ELIMIT: see above. ENOMEM. */
CAFACE_API caface_status caface_image_wrap(caface_image **out, const caface_pixels *pixels,
                                           caface_error *err);

/* NULL is allowed. No call that was given the image may be running. */
CAFACE_API void caface_image_free(caface_image *image);

/* Pixels in a row, and rows. 0 of NULL. */
CAFACE_API size_t caface_image_width(const caface_image *image);
CAFACE_API size_t caface_image_height(const caface_image *image);

/* The pixels as R G B, whatever they were: u8 [height][width][3], rows without
 * gaps, borrowed from the image (or, of wrapped RGB without gaps, from the
 * caller). EINVAL: null argument. ENOMEM: no room for the converted picture. */
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
