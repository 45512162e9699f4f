/* caface detect --crops for videos: a folder a track. */
#ifndef CAFACE_CLI_DETECT_VIDEO_H
#define CAFACE_CLI_DETECT_VIDEO_H

#include "caface/encoder.h"
#include "cli/command.h"
#include "faces/crop_folder.h"
#include "faces/detector.h"
#include "faces/quality.h"
#include "files/json.h"
#include "media/video.h"

typedef struct detect_videos {
    const cli_common *common;
    caface_detector *detector;
    cafi_crop_folder *crops;
    caface_encoder *quality; /* or NULL */
    cafi_quality_gate gate;
    cafi_video_options reading;
} detect_videos;

/* Is it for FFmpeg: a file that is no picture, a device, an address, "-"? */
bool detect_is_video(const char *path);

/* Follows the people of a video, writes their crops, and tells of it: a line a track on stdout, or
 * an object into json. *failure, the caller's: what is wrong with it, where it cannot be read or
 * not whole; NULL where nothing is. Any other error ends the run. */
caface_status detect_video(const detect_videos *how, const char *path, cafi_json *json,
                           char **failure, caface_error *err);

#endif
