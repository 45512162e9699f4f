/* caface/tracker.h - finds which faces of successive frames belong to one person: faces in, track
 * numbers out (libcaface-vision).
 *
 *     caface_tracker *tracker;
 *
 *     caface_tracker_new(&tracker, info.C, NULL, &err);
 *     while (next frame)
 *         caface_tracker_step(tracker, image, faces, features, tracks, &err);
 *
 * Tracks are predicted with constant velocity, and matched to faces by overlap and, when features
 * are given, by their similarity. Faces with a high score are matched first, then those with a low
 * score, which may continue a track but not start one (the hysteresis of ByteTrack, Zhang et al.
 * 2022). A track without a face waits some frames for its person to come back. A shot cut ends all
 * tracks.
 *
 * caface/video.h does all of this, from a file to templates.
 *
 * Only one thread at a time may use a tracker. */
#ifndef CAFACE_TRACKER_H
#define CAFACE_TRACKER_H

#include <stddef.h>
#include <stdint.h>

#include "caface/detector.h"
#include "caface/image.h"
#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct caface_tracker caface_tracker;

/* Filled by caface_tracker_options_init; then changed member by member. Later versions add members
 * at the end (caface/version.h). */
typedef struct caface_tracker_options {
    size_t size;   /* of this struct, set by init */
    float high;    /* a face with at least this score may start a track. Default 0.6 */
    float low;     /* faces with a lower score are ignored. Default 0.3 */
    float overlap; /* least overlap (intersection over union) of the predicted box of a track and a
                      face with a high score. Default 0.3 */
    float faint_overlap; /* the same for a face with a low score. Default 0.5 */
    float same; /* least cosine of features that continues a track without overlap. Default 0.5 */
    float different; /* faces whose cosine is below this are different people. Default 0.15 */
    float cut;  /* least change of the picture's colours, 0..1, that counts as a shot cut. Default
                   0.25 */
    size_t gap; /* frames that a track waits without a face; after a third of them it only continues
                   by features. Default 25 */
} caface_tracker_options;

/* The defaults. */
static inline void caface_tracker_options_init(caface_tracker_options *options);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void caface_tracker_options_init_sized(caface_tracker_options *options, size_t size);

/* Makes a tracker without tracks, which the caller frees with caface_tracker_free. width: C of the
 * features; 0: there are no features. options NULL: the defaults. EINVAL: null argument; options
 * that are not finite or contradict each other (low above high, different above same). ENOMEM. */
CAFACE_API caface_status caface_tracker_new(caface_tracker **out, size_t width,
                                            const caface_tracker_options *options,
                                            caface_error *err);

/* NULL is allowed. */
CAFACE_API void caface_tracker_free(caface_tracker *tracker);

/* Takes the faces of the next frame. Give all frames in order, also those without faces.
 *   image     the frame, to look for a shot cut; NULL: do not look
 *   faces     as a detector found them
 *   features  f32 [count of faces][width], not normalised; NULL: no features for this frame
 *   tracks    i64 [count of faces], written: the track of each face, from 1; 0: it has no track
 * A number is never used for a second track.
 * EINVAL: null argument, features for a tracker without width, a feature or face that is not
 * finite. ENOMEM. After an error the tracker is unchanged. */
CAFACE_API caface_status caface_tracker_step(caface_tracker *tracker, const caface_image *image,
                                             const caface_faces *faces, const float *features,
                                             int64_t *tracks, caface_error *err);

/* Ends all tracks: the next frame begins a new shot. */
CAFACE_API void caface_tracker_cut(caface_tracker *tracker);

/* The number of faces of a track so far; 0: there is no such track. */
CAFACE_API size_t caface_tracker_length(const caface_tracker *tracker, int64_t track);
/* Not 0 while the track can still get faces. */
CAFACE_API int caface_tracker_alive(const caface_tracker *tracker, int64_t track);

static inline void caface_tracker_options_init(caface_tracker_options *options)
{
    caface_tracker_options_init_sized(options, sizeof *options);
}

#ifdef __cplusplus
}
#endif
#endif
