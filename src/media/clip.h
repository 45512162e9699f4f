/* A short clip through a video encoder and back, in memory: what coding at a
 * low rate does to a face. In a build without FFmpeg the same name exists, and
 * says what is missing. */
#ifndef CAFI_MEDIA_CLIP_H
#define CAFI_MEDIA_CLIP_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Sides of a clip must be even and 16 to 4096. */
#define CAFI_CLIP_MAX_FRAMES 64

/* Codes count frames as H.264 (libx264, preset veryfast, one key frame, no
 * frames out of order) at a constant rate factor of 0 (best) to 51 (worst), and
 * decodes frame number `which` of them. One thread; the bits depend on the
 * version of libx264 alone.
 *   frames  u8 [count][height][width][3]   out  u8 [height][width][3]
 * EINVAL: sides, count or which out of range. EUNSUPPORTED: no FFmpeg in this
 * build, or one without libx264. */
caface_status cafi_clip_code(uint8_t *out, const uint8_t *frames, size_t count, size_t width,
                             size_t height, int factor, size_t which, caface_error *err);

#endif
