/* Video as a row of frames, whatever it comes from: a file, a pipe, an address,
 * a camera, or a folder of pictures. */
#ifndef CAFI_MEDIA_VIDEO_H
#define CAFI_MEDIA_VIDEO_H

#include "media/stream.h"

typedef struct cafi_video_options {
    size_t every;    /* take each N-th frame; 0 is taken as 1 */
    double start;    /* seconds to leave out at the beginning */
    double duration; /* seconds to read from there; 0: to the end */
    size_t threads;  /* of the decoder; 0: one for every core */
    cafi_wish stop;  /* asked while a source keeps one waiting */
    cafi_chroma chroma;
    bool live;      /* for a source that does not wait: one that breaks is opened again */
    double reopen;  /* with live: seconds for which that is tried; 0: it is not */
    double silence; /* seconds without a frame after which a live source is taken for broken;
                     * 0: CAFI_VIDEO_SILENCE */
    /* With live: a sentence when the source breaks and when it is back, in the thread that reads;
     * or NULL. */
    void (*say)(void *ctx, const char *sentence);
    void *say_ctx;
} cafi_video_options;

/* What --live and the libraries take where nothing is said. */
#define CAFI_VIDEO_REOPEN 60.0
#define CAFI_VIDEO_SILENCE 10.0

/* Which frames of a source the options let through. Zero-initialise, but for
 * the options. */
typedef struct cafi_clip {
    size_t every;
    double start, duration;
    size_t seen;  /* frames at or after the start */
    double first; /* time of the first of them */
} cafi_clip;

typedef enum cafi_clip_step { CAFI_CLIP_SKIP, CAFI_CLIP_TAKE, CAFI_CLIP_END } cafi_clip_step;

/* What becomes of the frame at that time; one that is taken gets its index and
 * time. */
cafi_clip_step cafi_clip_next(cafi_clip *clip, double seconds, cafi_frame *frame);

typedef struct cafi_video cafi_video;

/* Opens path as cafi_stream_open does, or a folder, whose pictures become
 * frames in the order of media/folder.h, 25 a second. options may be NULL.
 * Errors of both; EINVAL: live of a file or a folder. Sentences start with path. */
caface_status cafi_video_open(cafi_video **out, const char *path, const cafi_video_options *options,
                              caface_error *err);
void cafi_video_close(cafi_video *video);

/* The next frame that the options let through; broken ones are skipped and
 * counted. *got is false at the end. A live source that ends before its container says, or falls
 * silent, is opened again, but for a pipe; its times go on by the clock. A video of which no frame
 * could be decoded ends with EFORMAT. One caller at a time. */
caface_status cafi_video_next(cafi_video *video, cafi_frame *frame, bool *got, caface_error *err);

/* For a folder, width and height are those of the last frame read. */
cafi_stream_info cafi_video_info(const cafi_video *video);
/* Good at any time; complete at the end. */
cafi_stream_counts cafi_video_counts(const cafi_video *video);

/* Is nothing wrong: no frame broken or missing, no live source lost? */
bool cafi_counts_complete(const cafi_stream_counts *counts);
/* What, for a sentence: "3 frames could not be decoded, 47 could; it should last 2.00 s and
 * ends at 1.88 s". Returns text. */
const char *cafi_counts_text(const cafi_stream_counts *counts, char *text, size_t size);

#endif
