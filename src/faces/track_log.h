/* What is known of every track: its faces, in order, and their weights.
 *
 * Each track owns a fusion set while it lasts, so that its template is ready at
 * any frame. Memory: 120 bytes a face, and a set for each track that has not
 * ended. */
#ifndef CAFI_FACES_TRACK_LOG_H
#define CAFI_FACES_TRACK_LOG_H

#include "caface/set.h"
#include "faces/pipeline.h"
#include "files/json.h"

typedef struct cafi_logged_face {
    size_t frame;
    double seconds;
    cafi_face face;
    cafi_quality quality;
    float weight; /* in the track's template; once the track has ended, else 0 */
} cafi_logged_face;

typedef struct cafi_logged_track {
    int64_t id;
    const char *source; /* path of its video, borrowed */
    cafi_logged_face *faces;
    size_t count, room;
    size_t last_seen;   /* in frames of the log */
    double norms, norm; /* sum of the features' lengths, the last one's */
    caface_set *set;    /* NULL without a model, or when the track has ended */
    bool weighed;       /* its weights are there */
} cafi_logged_track;

typedef struct cafi_track_log cafi_track_log;

/* model may be NULL: no sets, no weights. It must outlive the log. C: length of a feature. */
caface_status cafi_track_log_new(cafi_track_log **out, const caface_model *model, size_t C,
                                 caface_error *err);
void cafi_track_log_free(cafi_track_log *log);

/* Adds a face to its track; one of track 0 is passed over. source is borrowed
 * as long as the log lives. */
caface_status cafi_track_log_add(cafi_track_log *log, const char *source, const cafi_frame *frame,
                                 const cafi_sighting *face, caface_error *err);

size_t cafi_track_log_count(const cafi_track_log *log);
/* In the order of first appearance. Borrowed; good until the next add. */
const cafi_logged_track *cafi_track_log_at(const cafi_track_log *log, size_t index);

/* The weight that the track's newest face has in the template of its faces so
 * far, as a multiple of an even share; without a model, the length of its
 * feature as a multiple of their mean. The track must not have ended. ENOMEM. */
caface_status cafi_track_log_share(const cafi_track_log *log, int64_t track, double *share,
                                   caface_error *err);

/* To be called after each frame: tracks that have not been seen for more than
 * gap frames end, that is, get their weights and give up their set. ENOMEM. */
caface_status cafi_track_log_step(cafi_track_log *log, size_t gap, caface_error *err);
/* Ends every track, as at the end of a video. */
caface_status cafi_track_log_finish(cafi_track_log *log, caface_error *err);

/* The whole log as tracks.json has it. Tracks with fewer than `confirm` faces
 * have "confirmed": false. before [count]: tracks of an earlier log's file, which
 * come first. */
void cafi_track_log_write(const cafi_track_log *log, cafi_json *json, size_t confirm,
                          const cafi_value *before, size_t count);

#endif
