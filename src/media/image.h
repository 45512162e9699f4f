/* Pictures: JPEG and PNG files to RGB.
 *
 * JPEG: accurate integer DCT (the one PIL and OpenCV use), grey, YCbCr, RGB,
 * CMYK and YCCK, upright by its EXIF orientation. PNG: every depth and colour
 * type, interlaced too; 16 bits are scaled to 8, transparency is composited on
 * black, an eXIf orientation is obeyed.
 *
 * Other kinds (WebP, BMP, GIF, TIFF, AVIF, HEIC) come through FFmpeg, where the
 * build has it (media/still.h).
 *
 * A damaged picture is an error, never half a picture: libjpeg would fill what
 * is missing with grey and a warning; here such a warning fails the picture. A
 * file that lacks its end marker, or has something behind it, but every pixel,
 * is whole. */
#ifndef CAFI_MEDIA_IMAGE_H
#define CAFI_MEDIA_IMAGE_H

#include <stdbool.h>

#include "base/status.h"
#include "caface/image.h"
#include "media/view.h"

/* Limits, beyond which a picture is refused (ELIMIT) before memory for it is
 * had: pixels in all (300 MB decoded), pixels on a side, bytes of a file,
 * scans of a progressive JPEG, and scans times pixels. */
#define CAFI_IMAGE_MAX_PIXELS ((size_t)CAFACE_IMAGE_MAX_PIXELS)
#define CAFI_IMAGE_MAX_SIDE CAFACE_IMAGE_MAX_SIDE
#define CAFI_IMAGE_MAX_BYTES ((size_t)256 << 20)
#define CAFI_IMAGE_MAX_SCANS 200
#define CAFI_IMAGE_MAX_SCANNED ((size_t)2000000000)

/* Zero-initialise; free with cafi_image_clear. */
typedef struct cafi_image {
    uint8_t *rgb; /* u8 [height][width][3], owned */
    size_t width, height;
} cafi_image;

/* Reads a file; the kind is recognised from its bytes. On success what was in
 * out is replaced, on an error it is kept. EIO: cannot be read, or no regular
 * file. EFORMAT: no picture, or damaged. EUNSUPPORTED: of a kind that this build
 * does not decode. ELIMIT. Every sentence starts
 * with path. Any thread. */
caface_status cafi_image_read(cafi_image *out, const char *path, caface_error *err);
/* The bytes of a picture's file, the caller's to free, and when it was last
 * changed, in nanoseconds since 1970 (NULL: not wanted). Errors as above, but
 * the sentence has no path. */
caface_status cafi_image_load(unsigned char **bytes, size_t *size, int64_t *changed,
                              const char *path, caface_error *err);
/* The same as cafi_image_read from bytes; the sentence has no path. */
caface_status cafi_image_decode(cafi_image *out, const void *bytes, size_t size, caface_error *err);
/* The same, and a picture that is cut short or damaged behind its head is taken
 * with what is there (grey or black for the rest), for those who ask for it. */
caface_status cafi_image_decode_damaged(cafi_image *out, const void *bytes, size_t size,
                                        caface_error *err);
void cafi_image_clear(cafi_image *image);
cafi_view cafi_image_view(const cafi_image *image);

/* Width times height as the file's head tells them, without decoding: for those
 * who decode several pictures at once and have to know what comes. 0: the head
 * tells no size, which cafi_image_decode may still find. Any thread. */
size_t cafi_image_pixels(const void *bytes, size_t size);

/* True for names that end as pictures' do, in any case: .jpg .jpeg .jpe .jfif
 * .png .webp .bmp .gif .tif .tiff .avif .heic .heif. */
bool cafi_image_is_name(const char *path);
/* True for those, and for a regular file whose name has no suffix and whose
 * first bytes are a picture's. */
bool cafi_image_is_picture(const char *path);
/* The kind that bytes begin like: "JPEG", "PNG", "WebP" ...; NULL: none. */
const char *cafi_image_kind(const void *bytes, size_t size);

/* EXIF orientation 1..8 (1 is upright) applied to a picture: rows and columns
 * are swapped or mirrored. ENOMEM. */
caface_status cafi_image_orient(cafi_image *image, int orientation, caface_error *err);
/* The orientation in an EXIF block (a TIFF header and what follows); 1 where it
 * has none or makes no sense. */
int cafi_exif_orientation(const unsigned char *tiff, size_t size);

/* Inside media/: the two decoders, given bytes that begin as their format does.
 * They call cafi_image_check as soon as they know the size. */
caface_status cafi_jpeg_decode(cafi_image *out, const unsigned char *bytes, size_t size,
                               bool allow_damaged, int *orientation, caface_error *err);
caface_status cafi_png_decode(cafi_image *out, const unsigned char *bytes, size_t size,
                              bool allow_damaged, int *orientation, caface_error *err);
/* The limits of a picture's size: EFORMAT for none, ELIMIT. For decoders, before
 * their library takes memory for what the head announces. */
caface_status cafi_image_check(size_t width, size_t height, caface_error *err);
/* Memory for a picture of channels bytes a pixel, the limits checked. */
caface_status cafi_image_reserve(cafi_image *out, size_t width, size_t height, size_t channels,
                                 caface_error *err);

#endif
