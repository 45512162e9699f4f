/* Cameras, by FFmpeg's device library. It is optional: without it the same names
 * exist and say so. */
#ifndef CAFI_MEDIA_CAMERA_H
#define CAFI_MEDIA_CAMERA_H

#include <libavformat/avformat.h>

#include "base/status.h"

/* The format that opens a device like /dev/video0 (v4l2). EUNSUPPORTED: this
 * build has no cameras, said with how to add them. */
caface_status cafi_camera_format(const char *path, const AVInputFormat **out, caface_error *err);

#endif
