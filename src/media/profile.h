/* Colour profiles (ICC.1, versions 2 and 4) of pictures: what was meant in Display P3,
 * Adobe RGB and their like becomes sRGB, which networks know. */
#ifndef CAFI_MEDIA_PROFILE_H
#define CAFI_MEDIA_PROFILE_H

#include <stdbool.h>

#include "media/raster.h"

/* What a picture's file says beside its pixels. Begins as {1}. */
typedef struct cafi_image_about {
    int orientation;        /* as EXIF numbers it; 1: upright */
    unsigned char *profile; /* ICC, owned; NULL: none */
    size_t profile_size;
} cafi_image_about;

/* A profile of more bytes is left out. */
#define CAFI_PROFILE_MAX ((size_t)4 << 20)

void cafi_image_about_clear(cafi_image_about *about);
/* Keeps a copy of a profile; none where there is no memory or too many bytes: a part that
 * nobody needs refuses nothing. */
void cafi_image_about_keep(cafi_image_about *about, const unsigned char *profile, size_t size);

/* The pixels, in place, from the profile's colours to sRGB's, relative to white and black
 * (an R G B profile of a matrix and three curves; what lies outside sRGB is cut off). False,
 * and nothing changes: a profile of another kind, a damaged one, or one whose colours are
 * sRGB's within CAFI_PROFILE_SAME of 255. The arithmetic is ours, so that a picture gives
 * the same bits wherever it is read. */
bool cafi_profile_to_srgb(const unsigned char *profile, size_t size, cafi_image *image);
#define CAFI_PROFILE_SAME 2

#endif
