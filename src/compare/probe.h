/* The people of a probe, and how like the gallery each is: measured face by
 * face while the probe is read, so that features need not be kept. */
#ifndef CAFI_COMPARE_PROBE_H
#define CAFI_COMPARE_PROBE_H

#include <stdio.h>

#include "caface/set.h"
#include "compare/gallery.h"
#include "faces/annotate.h"
#include "faces/pipeline.h"
#include "media/video.h"

#define CAFI_COMPARE_MAX_METHODS 5

/* One face of a track. */
typedef struct cafi_probe_point {
    size_t frame;
    double seconds;
    float score;
    float weight; /* in the track's template; they add up to 1. Without a network: the
                     face's share of the summed feature lengths */
    float norm;   /* length of its feature: what it weighs in the method average */
    cafi_quality quality;
    float blur;    /* cosine of its feature and the blur axis (compare/blur.h) */
    off_t picture; /* its crop as JPEG, in the probe's file of crops */
    size_t picture_size;
} cafi_probe_point;

typedef struct cafi_probe_track {
    int64_t id;
    size_t count, room, similarity_room;
    cafi_probe_point *points;
    float *similarity;                          /* [count][gallery] */
    double *fused;                              /* [gallery][methods]; once the track has ended */
    caface_set *sets[CAFI_COMPARE_MAX_METHODS]; /* until then */
    float *features, *styles;                   /* [count][C], [count][S][2], of even_chunks */
    size_t feature_room, style_room;
    cafi_blur blur;   /* weighed; once the track has ended. Until then sums */
    double norms;     /* sum of the features' lengths */
    size_t last_seen; /* in frames of the probe */
    bool brief;       /* fewer faces than a track needs */
} cafi_probe_track;

typedef struct cafi_probe_options {
    const char *path; /* video, folder, address, device, "-" */
    cafi_detector *detector;
    cafi_video_options video;
    cafi_track_options track;
    const cafi_gallery *gallery;
    caface_method methods[CAFI_COMPARE_MAX_METHODS];
    const caface_model *models[CAFI_COMPARE_MAX_METHODS]; /* of each method, or NULL */
    size_t method_count;
    const char *crops;      /* a folder for the file of crops, or NULL: none are kept */
    const char *draw;       /* the video with the tracks drawn in, or NULL */
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
    FILE *crops;    /* without a name: gone when the program ends */
    off_t crops_size;
    cafi_annotator *annotator;
    cafi_mark *marks;
    char (*notes)[64];
    size_t mark_room;
    cafi_pipeline_result result;
    cafi_stream_counts counts;
} cafi_probe;

/* Follows everybody through the probe. Tracks with fewer faces than
 * options->track.confirm are left out, unless there are no others: then they stay and are
 * brief. Tracks are in order of appearance. single: there is one, whatever its faces.
 * Templates are those of a stream: chunks of 512 faces, in order; with even_chunks of
 * a track of N faces ceil(N/512) nearly equal ones, as `caface fuse` and the authors' demo
 * cut. Memory: 84 + 4 gallery bytes a face, and the sets of tracks that have not ended, with
 * even_chunks their features and styles too. options are borrowed. Freed by cafi_probe_clear in
 * every case. */
caface_status cafi_probe_follow(cafi_probe *probe, const cafi_probe_options *options,
                                cafi_encoder *encoder, caface_error *err);
void cafi_probe_clear(cafi_probe *probe);

/* Appends a face's crop, a JPEG file. EIO, ENOMEM. */
caface_status cafi_probe_picture(const cafi_probe *probe, const cafi_probe_point *point,
                                 cafi_buf *out, caface_error *err);

/* The numbers of a track's faces, the heaviest first; the caller's. ENOMEM. */
caface_status cafi_probe_heaviest(const cafi_probe_track *track, size_t **out, caface_error *err);

#endif
