/* A short film that is told by a callback, and what sees the faces in it: for tests of video.h. */
#ifndef CAFACE_TESTS_VIDEO_STORY_H
#define CAFACE_TESTS_VIDEO_STORY_H

#include "check.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "caface/video.h"

/* Features and styles of the small encoder, a frame's sides, frames of the film, the tracker's gap.
 */
enum { WIDTH = 16, STYLES = 20, W = 96, H = 64, FRAMES = 60, GAP = 5 };

extern caface_detector *story_detector;
extern caface_encoder *story_encoder;
extern caface_model *story_model;

/* Open and free these; *state is not touched. */
int story_set_up(void **state);
int story_tear_down(void **state);

/* A white place that is there in frames 0..19 and from 40 on (longer away than
 * the gap); the second one in frames 10 and 11 alone. */
typedef struct story {
    uint8_t grey[H * W];
    size_t next, fail_at, bad_at, wait_at;
    caface_video *stops; /* by the source, at wait_at */
    atomic_size_t *told; /* or NULL; the source waits until so many frames were told of */
} story;

/* The callback of caface_video_from_source; ctx is a story. */
int story_next(void *ctx, caface_pixels *pixels, double *seconds);
/* Options by which the white place is found: no cuts, and a gap of GAP frames. */
caface_video_options story_options(caface_tracker_options *t);

typedef struct story_count {
    size_t begins, updates, ends, frames, confirmed, faces;
    int64_t last;
} story_count;

/* Runs to the end. Each event is checked for what its kind promises. */
caface_status story_run(caface_video *v, story_count *c, bool sets, caface_error *err);

#endif
