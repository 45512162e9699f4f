/* A decoded frame of FFmpeg's to R G B, for still pictures. */
#ifndef CAFI_MEDIA_STILL_FRAME_H
#define CAFI_MEDIA_STILL_FRAME_H

#include <libavutil/frame.h>

#include "media/raster.h"

/* By the frame's own matrix and range; transparency is put on black. kind is for the sentence.
 * EUNSUPPORTED: a pixel format or a matrix that is not read. ELIMIT, ENOMEM. */
caface_status cafi_still_frame(cafi_image *out, const AVFrame *frame, const char *kind,
                               caface_error *err);

#endif
