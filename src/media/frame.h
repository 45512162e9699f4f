/* A frame of a video: pixels with a place and a time. */
#ifndef CAFI_MEDIA_FRAME_H
#define CAFI_MEDIA_FRAME_H

#include "base/status.h"
#include "media/view.h"

/* Zero-initialise, use for any number of frames (the buffer grows and is used
 * again), free with cafi_frame_free. */
typedef struct cafi_frame {
    uint8_t *rgb; /* u8 [height][width][3], upright */
    size_t width, height;
    size_t capacity; /* bytes at rgb */
    size_t index;    /* counted from the first frame at or after the start */
    double seconds;  /* since the beginning of the video */
} cafi_frame;

/* Makes room for width x height; what was in the frame is gone. ENOMEM. */
caface_status cafi_frame_reserve(cafi_frame *frame, size_t width, size_t height, caface_error *err);
void cafi_frame_free(cafi_frame *frame);
cafi_view cafi_frame_view(const cafi_frame *frame);

#endif
