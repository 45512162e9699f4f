/* Pictures: JPEG and PNG files to RGB.
 *
 * JPEG: accurate integer DCT (the one PIL and OpenCV use), grey, YCbCr, RGB,
 * CMYK and YCCK, upright by its EXIF orientation. PNG: every depth and colour
 * type, interlaced too; 16 bits are scaled to 8, transparency is composited on
 * black, an eXIf orientation is obeyed.
 *
 * Colours of an embedded profile of a matrix and curves (Display P3, Adobe RGB) are brought
 * to sRGB (media/profile.h); those of other profiles are taken as they are.
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

#include "media/raster.h"

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

#endif
