/* Frames of video as R G B. */
#ifndef CAFI_MEDIA_COLOURS_H
#define CAFI_MEDIA_COLOURS_H

#include <stdint.h>

#include <libavutil/frame.h>

#include "media/stream.h"

/* What frames of one size and format use again. Zero-initialise; clear at the end. */
typedef struct cafi_colours {
    struct SwsContext *scaler;
    uint8_t *planes; /* G, B and R behind each other */
    size_t room;
} cafi_colours;
void cafi_colours_clear(cafi_colours *colours);

/* The frame's pixels, [height][width][3], with its own matrix and range, but with
 * CAFI_CHROMA_OPENCV. 64 bytes behind them may be written, too. EFORMAT: swscale does not know the
 * format. ENOMEM. */
caface_status cafi_colours_run(cafi_colours *colours, const AVFrame *frame, cafi_chroma chroma,
                               uint8_t *rgb, caface_error *err);

#endif
