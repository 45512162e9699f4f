/* The people of a probe and of a gallery, with their features. */
#ifndef CAFACE_CLI_COMPARE_PROBE_H
#define CAFACE_CLI_COMPARE_PROBE_H

#include "caface/set.h"
#include "command.h"
#include "faces/pipeline.h"
#include "media/video.h"

/* One face of a track, less its feature. */
typedef struct cli_point {
    size_t frame;
    double seconds;
    float score;
    size_t picture, picture_size; /* its crop as JPEG, in the track's pictures */
} cli_point;

typedef struct cli_track {
    int64_t id;
    size_t count, room;
    cli_point *points;
    float *features, *styles; /* [count][C], [count][S][2] */
    cafi_buf pictures;
} cli_track;

typedef struct cli_probe {
    size_t C, S;
    cli_track *tracks;
    size_t count, room;
    cafi_pipeline_result result;
    cafi_stream_counts counts;
} cli_probe;

typedef struct cli_probe_options {
    const char *path; /* video, folder, address, device, "-" */
    const char *detector;
    cafi_detector_options find;
    cafi_video_options video;
    cafi_track_options track;
    size_t threads;
    bool quiet;
} cli_probe_options;

/* Follows everybody through the probe. Tracks with fewer faces than
 * options->track.confirm are left out; the rest are in order of appearance.
 * Memory: 4 (C + 2 S) bytes and a JPEG of some 4 KB a face. Freed by
 * cli_probe_clear in every case. */
caface_status cli_probe_follow(cli_probe *probe, const cli_probe_options *options,
                               cafi_encoder *encoder, caface_error *err);
void cli_probe_clear(cli_probe *probe);

/* A gallery identity: the mean of its pictures' normalised features. */
typedef struct cli_identity {
    char *name;
    float *template; /* f32 [C], of length 1 */
    size_t images;
    cafi_buf picture; /* the first picture's crop as JPEG */
} cli_identity;

typedef struct cli_gallery {
    cli_identity *items;
    size_t count;
} cli_gallery;

/* entries: [NAME=]IMAGE; without a name the file's, less its suffix; a name
 * given again adds a picture to the identity. The best face of each picture is
 * taken. EINVAL: a picture without a face, or two names for nothing. */
caface_status cli_gallery_open(cli_gallery *gallery, const cli_list *entries, const char *detector,
                               const cafi_detector_options *find, cafi_encoder *encoder,
                               caface_error *err);
void cli_gallery_clear(cli_gallery *gallery);

/* Cosine of two vectors; 0 when one has no length. */
double cli_cosine(const float *a, const float *b, size_t n);

#endif
