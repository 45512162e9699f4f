/* Tracks: which faces of successive frames are one person.
 *
 * Every frame, tracks are predicted by constant velocity and matched to faces
 * by overlap, and by embedding similarity where the caller has embeddings.
 * Confident faces are matched first, then faint ones, which may only continue
 * a track and never start one (the hysteresis of ByteTrack). A track that is
 * not seen waits a while for its person to come back. A shot cut ends them all.
 *
 * Two rules keep two people out of one track: a match whose embedding disagrees
 * is refused however well it overlaps, and after a gap a face must either
 * overlap the prediction or agree by embedding. */
#ifndef CAFI_FACES_TRACK_H
#define CAFI_FACES_TRACK_H

#include <stdint.h>

#include "caface/tracker.h"
#include "faces/box.h"
#include "faces/cut.h"

typedef struct cafi_track_options {
    float high;          /* a face with at least this score may start a track */
    float low;           /* one below this is not looked at */
    float overlap;       /* least IoU of a prediction and a confident face */
    float faint_overlap; /* and of a faint one */
    size_t gap;          /* frames a track waits unseen; after a third of them it takes
                            nobody back but by embedding */
    size_t confirm;      /* faces a track needs to be reported */
    float same;          /* least cosine that bridges a gap without overlap */
    float different;     /* below this cosine two faces are two people */
    float cut;           /* least change of the picture's histogram that is a cut, 0..1 */
} cafi_track_options;

/* high 0.6, low 0.3, overlap 0.3, faint_overlap 0.5, gap 25, confirm 3,
 * same 0.5, different 0.15, cut 0.25. */
void cafi_track_defaults(cafi_track_options *options);
/* A caller's options, NULL for the defaults. EINVAL: not finite. EUNSUPPORTED: of
 * a later version. */
caface_status cafi_track_options_take(cafi_track_options *out, const caface_tracker_options *given,
                                      caface_error *err);

typedef struct cafi_tracker cafi_tracker;

/* embedding: the length C of embeddings, 0 for none. options NULL: the
 * defaults. EINVAL: options out of order (low above high, ...). */
caface_status cafi_tracker_new(cafi_tracker **out, const cafi_track_options *options,
                               size_t embedding, caface_error *err);
void cafi_tracker_free(cafi_tracker *tracker);

/* Assigns every face of the next frame to a track.
 *   embedding  f32 [faces->count][C], any length, or NULL for this frame
 *   shot       begins: all tracks end first; in doubt: no track from before
 *              it takes a face, so that they start tracks of their own; began: the
 *              tracks from before the doubt end first
 *   ids        i64 [faces->count]: the track's number, from 1; 0 for a face
 *              that belongs to none
 * Numbers are never used twice; a track that stays below `confirm` faces keeps
 * its number, and the caller drops it by cafi_tracker_length. ENOMEM: the
 * tracker is as before. */
caface_status cafi_tracker_step(cafi_tracker *tracker, const cafi_faces *faces,
                                const float *embedding, cafi_shot shot, int64_t *ids,
                                caface_error *err);

/* Faces that track has had so far; 0 for an unknown number. */
size_t cafi_tracker_length(const cafi_tracker *tracker, int64_t id);
/* True while the track can still get faces. */
bool cafi_tracker_alive(const cafi_tracker *tracker, int64_t id);

#endif
