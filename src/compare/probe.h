/* The people of a probe, and how like the gallery each is: measured face by
 * face while the probe is read, so that features need not be kept. */
#ifndef CAFI_COMPARE_PROBE_H
#define CAFI_COMPARE_PROBE_H

#include "compare/probe_track.h"
#include "faces/annotate.h"
#include "media/video.h"

typedef struct cafi_probe_options {
    const char *path; /* video, folder, address, device, "-" */
    cafi_detector *detector;
    cafi_video_options video;
    cafi_track_options track;
    const cafi_gallery *gallery;
    caface_set_options methods[CAFI_COMPARE_MAX_METHODS]; /* method, norm_power and chunk */
    const caface_model *models[CAFI_COMPARE_MAX_METHODS]; /* of each method, or NULL */
    size_t method_count;
    const char *crops;      /* a folder for the file of crops, or NULL: none are kept */
    const char *draw;       /* the video with the tracks drawn in, or NULL */
    cafi_text_mask letters; /* of its labels (faces/draw.h) */
    double threshold;       /* of the first method, from which a drawn track gets a name */
    cafi_encoder *quality;  /* a quality network, or NULL */
    cafi_quality_gate gate; /* faces that do not pass are followed, and in no template */
    bool single;            /* the best face of every frame is one person: one track of all */
    bool centre;            /* with single: of a frame without a face its middle */
    bool even_chunks;       /* a track is cut when it has ended, into nearly equal chunks */
    size_t threads;
    /* Called after every frame; total: frames the source announces, 0 when it does
     * not. false ends the probe there, which is no error. */
    bool (*progress)(void *ctx, size_t done, size_t total);
    void *ctx;
} cafi_probe_options;

typedef struct cafi_probe {
    const cafi_probe_options *options;
    size_t C, S;
    cafi_probe_track *tracks;
    size_t count, room;
    size_t frames;
    size_t centred; /* frames whose middle stands in for a face */
    cafi_crop_file crops;
    cafi_annotator *annotator;
    cafi_mark *marks;
    char (*notes)[64];
    size_t mark_room;
    cafi_pipeline_result result; /* on the way only what was dropped */
    cafi_stream_counts counts;
} cafi_probe;

/* Follows everybody through the probe. Tracks with fewer faces than
 * options->track.confirm are left out, unless there are no others: then they stay and are
 * brief. Tracks are in order of appearance. single: there is one, whatever its faces.
 * Templates are those of a stream: chunks of the method's size, in order; with even_chunks of
 * a track of N faces ceil(N/chunk) nearly equal ones, as `caface fuse` and the authors' demo
 * cut. Memory: 84 + 4 gallery bytes a face, and the sets of tracks that have not ended, with
 * even_chunks their features and styles too. options are borrowed. Freed by cafi_probe_clear in
 * every case. */
caface_status cafi_probe_follow(cafi_probe *probe, const cafi_probe_options *options,
                                cafi_encoder *encoder, caface_error *err);
void cafi_probe_clear(cafi_probe *probe);

#endif
