/* A picture somebody else owns. */
#ifndef CAFI_MEDIA_VIEW_H
#define CAFI_MEDIA_VIEW_H

#include <stddef.h>
#include <stdint.h>

/* u8 [height][width][3], R G B, rows without gaps. Borrowed. */
typedef struct cafi_view {
    const uint8_t *rgb;
    size_t width, height;
} cafi_view;

#endif
