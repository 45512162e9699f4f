/* What is known of every track: its faces, in order, and their weights.
 *
 * Each track owns a fusion set, so that its template is ready at any frame.
 * Memory: 80 bytes a face, and 4 M bytes more with weights. */
#ifndef CAFI_FACES_TRACK_LOG_H
#define CAFI_FACES_TRACK_LOG_H

#include "caface/set.h"
#include "faces/pipeline.h"
#include "files/json.h"

typedef struct cafi_logged_face {
    size_t frame;
    double seconds;
    cafi_face face;
    float weight; /* in the track's template; after cafi_track_log_weigh, else 0 */
} cafi_logged_face;

typedef struct cafi_logged_track {
    int64_t id;
    const char *source; /* path of its video, borrowed */
    cafi_logged_face *faces;
    size_t count, room;
    caface_set *set; /* NULL without a model */
} cafi_logged_track;

typedef struct cafi_track_log cafi_track_log;

/* model may be NULL: no sets, no weights. It must outlive the log. */
caface_status cafi_track_log_new(cafi_track_log **out, const caface_model *model,
                                 caface_error *err);
void cafi_track_log_free(cafi_track_log *log);

/* Adds a face to its track; one of track 0 is passed over. source is borrowed
 * as long as the log lives. */
caface_status cafi_track_log_add(cafi_track_log *log, const char *source, const cafi_frame *frame,
                                 const cafi_sighting *face, caface_error *err);

size_t cafi_track_log_count(const cafi_track_log *log);
/* In the order of first appearance. Borrowed; good until the next add. */
const cafi_logged_track *cafi_track_log_at(const cafi_track_log *log, size_t index);

/* Fills in every weight, where there are sets. */
caface_status cafi_track_log_weigh(cafi_track_log *log, caface_error *err);

/* The whole log as tracks.json has it. Tracks with fewer than `confirm` faces
 * have "confirmed": false. */
void cafi_track_log_write(const cafi_track_log *log, cafi_json *json, size_t confirm);

#endif
