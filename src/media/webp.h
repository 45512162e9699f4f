/* Animated WebP files, whose first frame FFmpeg's decoder does not take. */
#ifndef CAFI_MEDIA_WEBP_H
#define CAFI_MEDIA_WEBP_H

#include <stdbool.h>
#include <stddef.h>

/* Makes a still file of an animated one, in place: the first frame, with the whole file's EXIF and
 * profile, of *size bytes. False, and nothing changes: it is not animated, damaged, or its first
 * frame does not fill the picture. Source: RFC 9649. */
bool cafi_webp_first_frame(unsigned char *bytes, size_t *size);

#endif
