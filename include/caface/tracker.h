/* caface/tracker.h - which faces of successive frames are one person: faces of
 * frames go in, track numbers come out (libcaface-vision).
 *
 *     caface_tracker *tracker;
 *
 *     caface_tracker_new(&tracker, info.C, NULL, &err);
 *     while (next frame)
 *         caface_tracker_step(tracker, image, faces, features, tracks, &err);
 *
 * Tracks are predicted by constant velocity and matched to faces by overlap,
 * and by the likeness of their features where there are features. Confident
 * faces are matched first, then faint ones, which may only continue a track and
 * never start one (the hysteresis of ByteTrack, Zhang et al. 2022). A track that
 * is not seen waits a while for its person to come back. A shot cut ends all.
 *
 * caface/video.h does all of it, from the file to the templates.
 *
 * One thread at a time. */
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

/* Filled by caface_tracker_options_init; then changed member by member. Grows at its
 * end (caface/version.h). */
typedef struct caface_tracker_options {
    size_t size;         /* of this struct, set by init */
    float high;          /* a face with at least this score may start a track. Default 0.6 */
    float low;           /* one below this is not looked at. Default 0.3 */
    float overlap;       /* least intersection over union of a track's predicted box and a
                          * confident face. Default 0.3 */
    float faint_overlap; /* and of a faint face. Default 0.5 */
    float same;          /* least cosine that bridges a gap without overlap. Default 0.5 */
    float different;     /* below this cosine two faces are two people. Default 0.15 */
    float cut;           /* least change of the picture's colours that is a shot cut, 0..1.
                          * Default 0.25 */
    size_t gap;          /* frames that a track waits unseen; after a third of them it takes
                          * nobody back but by features. Default 25 */
} caface_tracker_options;

/* The defaults. */
static inline void caface_tracker_options_init(caface_tracker_options *options);
/* What it calls: size is sizeof *options of the program; nothing is written beyond it. */
CAFACE_API void caface_tracker_options_init_sized(caface_tracker_options *options, size_t size);

/* A tracker that has seen nothing; the caller's, to caface_tracker_free. width:
 * C of the features, 0: there are none. options NULL: the defaults.
 * EINVAL: null argument, options out of order (low above high, different above
 * same) or not finite. ENOMEM. */
CAFACE_API caface_status caface_tracker_new(caface_tracker **out, size_t width,
                                            const caface_tracker_options *options,
                                            caface_error *err);

/* NULL is allowed. */
CAFACE_API void caface_tracker_free(caface_tracker *tracker);

/* The faces of the next frame. Frames come in order; one without faces counts.
 *   image     the frame, in which a shot cut is looked for; NULL: it is not
 *   faces     as a detector found them
 *   features  f32 [count of faces][width], of any length; NULL: none in this
 *             frame
 *   tracks    i64 [count of faces], written: the track of each face, from 1; 0
 *             for one that belongs to none
 * Numbers are never used twice.
 * EINVAL: null argument, features for a tracker without width; a feature or a
 * face that is not finite. ENOMEM. On any error the tracker is as before. */
CAFACE_API caface_status caface_tracker_step(caface_tracker *tracker, const caface_image *image,
                                             const caface_faces *faces, const float *features,
                                             int64_t *tracks, caface_error *err);

/* Ends all tracks: the next frame begins a new shot. */
CAFACE_API void caface_tracker_cut(caface_tracker *tracker);

/* Faces that a track has had so far; 0: no such track. */
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
