/* From frames to faces: decoding, detection and alignment, encoding, and
 * tracking side by side, with the memory of a bounded number of frames.
 *
 *   reader (1 thread) -> detectors (one a core) -> encoder, tracker, caller
 *
 * Frames reach the caller in order, with all of their faces, and the results
 * are the same bits for any number of threads.
 *
 * A live source is read as fast as it comes: a frame for which there is no room takes the
 * place of the newest that waits to be searched, or, where none waits, is left out itself; either
 * is counted. As many wait as search, and no more are on their way than these and two beyond, so
 * what the caller gets is never older than the work on that many frames. Which frames are left out
 * is a matter of time; the others are what they would be. */
#ifndef CAFI_FACES_PIPELINE_H
#define CAFI_FACES_PIPELINE_H

#include "faces/choose.h"
#include "faces/detector.h"
#include "faces/quality.h"
#include "faces/track.h"
#include "media/frame.h"
#include "media/wish.h"
#include "models/encoder.h"

/* Reads the next frame, as cafi_video_next does. One thread at a time. A status
 * that is not OK ends the run. */
typedef caface_status (*cafi_frame_reader)(void *source, cafi_frame *frame, bool *got,
                                           caface_error *err);

/* One face of one frame. Everything is borrowed for the call. */
typedef struct cafi_sighting {
    cafi_face face;
    int64_t track;        /* from 1; 0: of no track, or tracking is off */
    bool centre;          /* no face was found: the middle of the frame stands in */
    const uint8_t *crop;  /* u8 [112][112][3], aligned */
    const float *feature; /* f32 [C]; NULL without an encoder */
    const float *style;   /* f32 [S][2]; NULL without an encoder, or without taps */
    cafi_quality quality;
    bool passes; /* the gate: else it is followed, but belongs to nobody's template */
} cafi_sighting;

typedef struct cafi_pipeline_options {
    cafi_frame_reader reader;
    void *source;
    cafi_detector *detector;
    cafi_encoder *encoder;           /* for crops of 112x112, or NULL: faces without features */
    const cafi_track_options *track; /* NULL: no tracking, as for photographs */
    bool centre;                     /* a frame without a face gives its middle */
    cafi_encoder *quality;           /* a quality network (faces/quality_net.h), or NULL */
    cafi_quality_gate gate;          /* what faces need to pass */
    cafi_face_rule face;             /* of a photograph (no tracking) with several faces, whose */
    bool keep_pixels;
    bool live;           /* the source does not wait: what cannot be searched in time is left out */
    size_t threads;      /* that search side by side; 0: one for every core */
    int64_t first_track; /* the last number already in use, so that several videos can share one
                            numbering */
    cafi_wish stop;      /* asked while the next frame is waited for: as if there were no more */
} cafi_pipeline_options;

/* What a run came to. Seconds are processor time of the reader's and the
 * searchers' threads, and the time that the encoder and the caller took. */
typedef struct cafi_pipeline_result {
    size_t frames, faces, cuts;
    size_t refused; /* faces that do not pass the gate */
    size_t dropped; /* live: frames that were read and left out */
    int64_t tracks; /* numbers given */
    bool stopped;   /* by the taker */
    double read_seconds, detect_seconds, encode_seconds, take_seconds;
} cafi_pipeline_result;

typedef struct cafi_pipeline cafi_pipeline;

/* Options are copied; what they point at outlives the pipeline. The threads
 * start with the first cafi_pipeline_next. EINVAL: an encoder for another size
 * of crops. ENOMEM. */
caface_status cafi_pipeline_new(cafi_pipeline **out, const cafi_pipeline_options *options,
                                caface_error *err);
/* Stops and joins the threads. */
void cafi_pipeline_free(cafi_pipeline *pipeline);

/* A frame that is done. frame has no pixels unless keep_pixels was asked for;
 * they may be drawn on. All is good until the next call. */
typedef struct cafi_done_frame {
    cafi_frame *frame; /* NULL: there are no more */
    const cafi_sighting *faces;
    size_t count;
    bool cut;               /* a shot began with this frame or the one before it */
    const cafi_faces *list; /* the same faces as a list */
    size_t dropped;         /* live: frames left out so far */
} cafi_done_frame;

/* The next frame, in order. What the detector, the reader and the encoder fail
 * with; there are no more frames then. One thread at a time. */
caface_status cafi_pipeline_next(cafi_pipeline *pipeline, cafi_done_frame *out, caface_error *err);
/* Frames, faces, cuts, tracks and dropped frames so far, no seconds; in the thread that calls next.
 */
cafi_pipeline_result cafi_pipeline_so_far(const cafi_pipeline *pipeline);
/* Can that track still get faces after the frame that next gave? In the same thread. */
bool cafi_pipeline_follows(const cafi_pipeline *pipeline, int64_t track);

/* Called for every frame, in the caller's thread. A status that is not OK ends
 * the run with it; ECANCELLED is a wish to stop, and no error. */
typedef caface_status (*cafi_frame_taker)(void *ctx, const cafi_done_frame *done,
                                          caface_error *err);

/* All of it: every frame goes to the taker. result is filled in any case. */
caface_status cafi_pipeline_run(cafi_pipeline_result *result, const cafi_pipeline_options *options,
                                cafi_frame_taker taker, void *ctx, caface_error *err);

#endif
