/* From frames to faces: decoding, detection and alignment, encoding, and
 * tracking side by side, with the memory of a bounded number of frames.
 *
 *   reader (1 thread) -> detectors (one a core) -> encoder, tracker, caller
 *
 * Frames reach the caller in order, with all of their faces, and the results
 * are the same bits for any number of threads. */
#ifndef CAFI_FACES_PIPELINE_H
#define CAFI_FACES_PIPELINE_H

#include "faces/detector.h"
#include "faces/track.h"
#include "media/frame.h"
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
} cafi_sighting;

/* Called for every frame, in order, in the caller's thread. frame has no pixels
 * unless keep_pixels was asked for; they may be drawn on. A status that is not
 * OK ends the run with it; ECANCELLED is a wish to stop, and no error. */
typedef caface_status (*cafi_frame_taker)(void *ctx, cafi_frame *frame, const cafi_sighting *faces,
                                          size_t count, caface_error *err);

typedef struct cafi_pipeline_options {
    cafi_frame_reader reader;
    void *source;
    const char *detector; /* path */
    cafi_detector_options find;
    cafi_encoder *encoder;           /* for crops of 112x112, or NULL: faces without features */
    const cafi_track_options *track; /* NULL: no tracking, as for photographs */
    bool centre;                     /* a frame without a face gives its middle */
    bool keep_pixels;
    size_t threads; /* detectors; 0: one for every core */
    cafi_frame_taker taker;
    void *ctx;
} cafi_pipeline_options;

/* What a run came to. Seconds are processor time of the reader's and the
 * detectors' threads, and the time that the encoder and the caller took. */
typedef struct cafi_pipeline_result {
    size_t frames, faces, cuts;
    int64_t tracks; /* numbers given */
    bool stopped;   /* by the taker */
    double read_seconds, detect_seconds, encode_seconds, take_seconds;
} cafi_pipeline_result;

/* first_track: the last number already in use, so that several videos can share
 * one numbering. EINVAL: an encoder for another size of crops. Otherwise what
 * the detector, the reader, the encoder and the taker fail with. */
caface_status cafi_pipeline_run(cafi_pipeline_result *result, const cafi_pipeline_options *options,
                                int64_t first_track, caface_error *err);

#endif
