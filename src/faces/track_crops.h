/* The people of a video as crops on disk: a folder a track. */
#ifndef CAFI_FACES_TRACK_CROPS_H
#define CAFI_FACES_TRACK_CROPS_H

#include "faces/crop_folder.h"
#include "faces/pipeline.h"
#include "media/video.h"

typedef struct cafi_track_crops_options {
    const char *path; /* a video file, an address, a device, "-" */
    cafi_detector *detector;
    cafi_encoder *quality;  /* a quality network, or NULL */
    cafi_quality_gate gate; /* faces that do not pass are followed, and not written */
    cafi_video_options video;
    cafi_track_options track; /* those of fewer than track.confirm faces are left out */
    size_t threads;
    /* Called after every frame; total: frames the source announces, 0 when it does not.
     * false ends the video there, which is no error. */
    bool (*progress)(void *ctx, size_t done, size_t total);
    void *ctx;
} cafi_track_crops_options;

/* A track that has crops. */
typedef struct cafi_cropped_track {
    int64_t id;
    size_t faces, first, last; /* frames */
} cafi_cropped_track;

typedef struct cafi_track_crops {
    size_t frames;
    size_t dropped;             /* live: frames that were left out for want of time */
    size_t brief;               /* tracks that were left out */
    cafi_stream_counts counts;  /* of frames that could not be decoded */
    cafi_cropped_track *tracks; /* in the order in which they had faces enough */
    size_t count, room;
} cafi_track_crops;

/* Follows everybody, by place alone since there are no features, and writes every face of a
 * track into its folder (cafi_crop_folder_put). The first faces of a track wait in memory until it
 * has enough. Freed by cafi_track_crops_clear in every case. EIO, EFORMAT, EUNSUPPORTED,
 * ENOMEM. */
caface_status cafi_track_crops_run(cafi_track_crops *out, cafi_crop_folder *crops,
                                   const cafi_track_crops_options *options, caface_error *err);
void cafi_track_crops_clear(cafi_track_crops *result);

#endif
