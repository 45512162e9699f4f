/* caface/video.h - from a video to templates: decoding, detection, alignment, encoding and tracking
 * at the same time, with a set for every person that can be read at any time (libcaface-vision).
 *
 *     caface_video *video;
 *     const caface_video_event *event;
 *
 *     caface_video_open(&video, "clip.mp4", detector, encoder, model, NULL, &err);
 *     while (!caface_video_next(video, &event, &err) && event)
 *         if (event->kind == CAFACE_TRACK_END && event->confirmed)
 *             caface_set_template(event->set, template, &err);
 *     caface_video_free(video);
 *
 * Memory is needed for a fixed number of frames, and for the sets of tracks that have not ended.
 * Events come in order, and are the same, bit for bit, for any number of threads. */
#ifndef CAFACE_VIDEO_H
#define CAFACE_VIDEO_H

#include <stddef.h>
#include <stdint.h>

#include "caface/detector.h"
#include "caface/encoder.h"
#include "caface/image.h"
#include "caface/model.h"
#include "caface/set.h"
#include "caface/status.h"
#include "caface/tracker.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Only one thread at a time may use it, except for caface_video_stop. From the first
 * caface_video_next on, its own threads read and search ahead. */
typedef struct caface_video caface_video;

/* Filled by caface_video_options_init; then changed member by member. Later versions add members at
 * the end (caface/version.h). The structs that it points to are borrowed for the call only. */
typedef struct caface_video_options {
    size_t size;     /* of this struct, set by init */
    size_t every;    /* use every N-th frame. Default 1 */
    double start;    /* seconds to skip at the beginning. Default 0 */
    double duration; /* seconds to read after that; 0: to the end. Default 0 */
    size_t threads;  /* threads that search for faces, and threads of the decoder; 0: one per core.
                        Default 0 */
    size_t confirm;  /* a track with at least this many faces is confirmed; shorter ones are usually
                        false alarms. Default 3 */
    int keep_pixels; /* not 0: events have the picture of the frame. Default 0 */
    const caface_tracker_options *tracker; /* NULL: the defaults */
    const caface_set_options
        *set; /* options for the set of every track. NULL: the method of the fusion model, or
                 average without a model; chunks of 512; weights are kept when the method has any */
    int live; /* not 0: the source is live and does not wait. Frames that cannot be searched in time
                 are skipped and counted (caface_video_info.dropped), so events are late by a few
                 frames at most; which frames are skipped depends on the speed of the machine. A
                 camera or address that fails, or gives no frame for ten seconds, is opened again,
                 and times continue by the clock; a pipe ends. Default 0 */
    double reopen; /* with live: for how many seconds to try to open a failed source again; 0: do
                      not try. Default 60 */
} caface_video_options;

/* The defaults. */
static inline void caface_video_options_init(caface_video_options *options);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void caface_video_options_init_sized(caface_video_options *options, size_t size);

/* Opens a source: a video file, a folder of pictures (frames in the order of
 * their names, 25 a second), an address such as rtsp://..., a device under
 * /dev/, or "-" for standard input.
 * detector, encoder and model are borrowed and must live longer than the video; other threads may
 * use them at the same time. encoder NULL: faces are found and followed, without features and sets.
 * model NULL: the method of the sets must need no model. options NULL: the defaults. The caller
 * frees *out with caface_video_free; it is NULL on failure. EINVAL: null argument, an option out of
 * range, live for a file or a folder, an encoder whose crops do not have the side CAFACE_CROP_SIDE.
 * EMODEL: encoder and model do not fit. EIO: cannot be opened. EFORMAT: not a video. EUNSUPPORTED:
 * this build has no FFmpeg (folders can still be read), or no decoder for the video. ENOMEM. */
CAFACE_API caface_status caface_video_open(caface_video **out, const char *path,
                                           caface_detector *detector, caface_encoder *encoder,
                                           const caface_model *model,
                                           const caface_video_options *options, caface_error *err);

/* Gives the next frame: fills pixels, which caface_pixels_init has prepared, and *seconds, the time
 * since the beginning, and returns 1. Returns 0 at the end, and a negative number to report a
 * failure, which ends the video with EIO. The planes must stay valid until the next call. Called by
 * one thread of the library at a time. */
typedef int (*caface_frame_source)(void *ctx, caface_pixels *pixels, double *seconds);

/* The same with frames from the caller, such as those of a camera or another decoder. every, start
 * and duration apply to them. With live the next frame is asked for at once, even when the last one
 * is still being searched. caface_video_free waits until a source that is being called returns. */
CAFACE_API caface_status caface_video_from_source(caface_video **out, caface_frame_source source,
                                                  void *ctx, caface_detector *detector,
                                                  caface_encoder *encoder,
                                                  const caface_model *model,
                                                  const caface_video_options *options,
                                                  caface_error *err);

/* Stops the threads and waits for them. NULL is allowed. */
CAFACE_API void caface_video_free(caface_video *video);

typedef enum caface_video_event_kind {
    CAFACE_TRACK_BEGIN = 0, /* the first face of a new track */
    CAFACE_TRACK_UPDATE,    /* a further face of a track */
    CAFACE_TRACK_END, /* the track is over: it was without a face for longer than the tracker's gap,
                         a shot cut ended it, or the video is over */
    CAFACE_FRAME      /* a frame is done, with all its faces */
} caface_video_event_kind;

/* What happened. All pointers are valid until the next call of caface_video_next. Later versions
 * may add members at the end. */
typedef struct caface_video_event {
    caface_video_event_kind kind;
    size_t frame;   /* number of the frame, counted from the first one after start, with those that
                       `every` skips. END: the last frame with a face of the track */
    double seconds; /* of that frame, since the beginning of the video */

    /* BEGIN, UPDATE and END */
    int64_t track; /* number of the track, from 1 */
    size_t count;  /* faces of the track so far; in FRAME: faces of the frame */
    int confirmed; /* not 0: the track has at least options.confirm faces */
    caface_set *
        set; /* the set of the track's faces so far, for caface_set_template, _weights and _save, or
                to merge into another set. NULL without an encoder. The video frees it after END */
    const float *lengths; /* f32 [count], the length of each face's feature, which can serve as its
                             weight when the method gives none. NULL without an encoder */

    /* BEGIN and UPDATE */
    const caface_face *face;
    const uint8_t *crop;  /* u8 [CAFACE_CROP_SIZE] */
    const float *feature; /* f32 [C]; NULL without an encoder */
    const float *style;   /* f32 [S][2]; NULL without an encoder or taps */

    /* FRAME */
    const caface_faces *faces; /* all faces of the frame, also those without a track */
    const int64_t *tracks;     /* [count], the track of each; 0: it has none */
    const caface_image *image; /* with keep_pixels the frame, also in BEGIN and UPDATE; else NULL */
} caface_video_event;

/* The next event, or NULL in *event at the end. For every frame: an END for
 * each track that is over, a BEGIN or UPDATE for each face of a track, then
 * FRAME; at the end of the video an END for each track left.
 * Returns the errors of all steps inside; after an error there are no more events. EFORMAT: no
 * frame could be decoded. */
CAFACE_API caface_status caface_video_next(caface_video *video, const caface_video_event **event,
                                           caface_error *err);

/* Ends the video as if there were no more frames: caface_video_next gives the remaining events of
 * the current frame, the ENDs of the tracks, and then NULL. It does not wait for a source that
 * waits for the network or a device. Any thread; a signal handler may call it. */
CAFACE_API void caface_video_stop(caface_video *video);

/* Later versions add members at the end (caface/version.h). */
typedef struct caface_video_info {
    size_t width,
        height;  /* of the upright picture, from the file; 0: not known yet (a folder, a source) */
    double rate; /* frames a second on average; 0: unknown */
    double duration; /* seconds; 0: unknown */
    size_t frames;   /* as stated in the file; 0: it does not say */
    size_t decoded;  /* good frames so far, also those that were skipped */
    size_t
        broken; /* frames that could not be decoded, or that the file announces and does not have */
    size_t faces;    /* found so far */
    size_t tracks;   /* begun so far */
    size_t cuts;     /* shot cuts so far */
    int live;        /* not 0: a camera, a pipe or an address */
    char codec[32];  /* "h264" ...; "pictures" of a folder, "" of a source */
    size_t dropped;  /* with live: frames so far that were skipped because there was no time */
    size_t reopened; /* with live: how often the source failed and was opened again */
    int lost; /* not 0: the source failed and could not be opened again, and the video is over */
} caface_video_info;

/* Fills info. Call it in the thread that calls caface_video_next. */
static inline void caface_video_get_info(const caface_video *video, caface_video_info *info);
/* The inline function calls this with sizeof *info; nothing is written beyond that size. */
CAFACE_API void caface_video_get_info_sized(const caface_video *video, caface_video_info *info,
                                            size_t size);

static inline void caface_video_options_init(caface_video_options *options)
{
    caface_video_options_init_sized(options, sizeof *options);
}

static inline void caface_video_get_info(const caface_video *video, caface_video_info *info)
{
    caface_video_get_info_sized(video, info, sizeof *info);
}
#ifdef __cplusplus
}
#endif
#endif
