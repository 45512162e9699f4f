/* caface/video.h - from a video to templates: decoding, detection, alignment,
 * encoding and tracking side by side, and for every person a live set (libcaface-vision).
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
 * Memory is that of a bounded number of frames, and of the sets of the tracks
 * that have not ended. Events come in order and are the same bits for any
 * number of threads. */
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

/* One thread at a time, but for caface_video_stop. Threads of its own read and
 * search ahead, from the first caface_video_next on. */
typedef struct caface_video caface_video;

/* Filled by caface_video_options_init; then changed member by member. Grows at its
 * end (caface/version.h). The
 * structs that it points at are borrowed for the call alone. */
typedef struct caface_video_options {
    size_t size;     /* of this struct, set by init */
    size_t every;    /* take each N-th frame. Default 1 */
    double start;    /* seconds to leave out at the beginning. Default 0 */
    double duration; /* seconds to read from there; 0: to the end. Default 0 */
    size_t threads;  /* that search side by side, and of the decoder; 0: one for every core.
                      * Default 0 */
    size_t confirm;  /* faces from which a track is confirmed; fewer are a false alarm as a rule.
                      * Default 3 */
    int keep_pixels; /* not 0: events have the frame's picture. Default 0 */
    const caface_tracker_options *tracker; /* NULL: the defaults */
    const caface_set_options *set; /* of every track's set. NULL: the fusion model's own method,
                                    * without one average; chunks of 512; weights kept where the
                                    * method has any */
    int live;      /* not 0: the source does not wait. What cannot be searched in time is left out
                    * and counted (caface_video_info.dropped), so that events are never older than
                    * a few frames' work; which frames that are is a matter of time. A camera or
                    * an address that breaks off, or gives no frame for ten seconds, is opened
                    * again, and its times go on by the clock; a pipe ends. Default 0 */
    double reopen; /* with live: seconds for which a source that broke is tried again; 0: it is
                    * not. Default 60 */
} caface_video_options;

/* The defaults. */
static inline void caface_video_options_init(caface_video_options *options);
/* What it calls: size is sizeof *options of the program; nothing is written beyond it. */
CAFACE_API void caface_video_options_init_sized(caface_video_options *options, size_t size);

/* Opens a source: a video file, a folder of pictures (frames in the order of
 * their names, 25 a second), an address such as rtsp://..., a device under
 * /dev/, or "-" for standard input.
 * detector, encoder and model are borrowed, and must outlive the video; other
 * threads may use them meanwhile. encoder NULL: faces are found and followed,
 * without features and sets. model NULL: sets of a method that needs none.
 * options NULL: the defaults. *out is the caller's, to caface_video_free; NULL
 * on failure.
 * EINVAL: null argument, an option out of its range, live of a file or a folder, an encoder for
 * crops of another size than CAFACE_CROP_SIDE. EMODEL: encoder and model do not fit.
 * EIO: cannot be opened. EFORMAT: no video. EUNSUPPORTED: this build is without
 * FFmpeg (folders can be read all the same), or has no decoder for it. ENOMEM. */
CAFACE_API caface_status caface_video_open(caface_video **out, const char *path,
                                           caface_detector *detector, caface_encoder *encoder,
                                           const caface_model *model,
                                           const caface_video_options *options, caface_error *err);

/* Hands over the next frame: fills pixels (which come as caface_pixels_init
 * leaves them) and *seconds, the time since the beginning, and returns 1; 0 at
 * the end; below 0 to fail, which ends the video with EIO. The planes are read
 * before the next call. Called in a thread of the library, one at a time. */
typedef int (*caface_frame_source)(void *ctx, caface_pixels *pixels, double *seconds);

/* The same from a source of the caller's: a camera, another decoder. every,
 * start and duration apply to its frames; with live it is asked for the next frame at once,
 * whatever becomes of the last. A source that waits for a frame holds caface_video_free up until it
 * returns. */
CAFACE_API caface_status caface_video_from_source(caface_video **out, caface_frame_source source,
                                                  void *ctx, caface_detector *detector,
                                                  caface_encoder *encoder,
                                                  const caface_model *model,
                                                  const caface_video_options *options,
                                                  caface_error *err);

/* Stops and joins the threads. NULL is allowed. */
CAFACE_API void caface_video_free(caface_video *video);

typedef enum caface_video_event_kind {
    CAFACE_TRACK_BEGIN = 0, /* the first face of a new track; it comes with the face */
    CAFACE_TRACK_UPDATE,    /* a further face of a track */
    CAFACE_TRACK_END,       /* nobody comes back to this track: it was not seen for longer than the
                             * tracker's gap, a shot cut ended it, or the video is over */
    CAFACE_FRAME            /* a frame is done, with all its faces */
} caface_video_event_kind;

/* What happened. Everything is borrowed until the next call of
 * caface_video_next. Later versions may add members at the end. */
typedef struct caface_video_event {
    caface_video_event_kind kind;
    size_t frame;   /* counted from the first frame after the start, those left out by `every`
                     * included; END: the last frame the track was seen in */
    double seconds; /* of that frame, since the beginning of the video */

    /* BEGIN, UPDATE and END */
    int64_t track;        /* its number, from 1 */
    size_t count;         /* faces of the track so far; FRAME: faces of the frame */
    int confirmed;        /* the track has as many faces as options.confirm says */
    caface_set *set;      /* the faces so far, fused: for caface_set_template, _weights, _save, or
                           * to merge into a set of the caller's. NULL without an encoder. It is
                           * freed after END */
    const float *lengths; /* f32 [count], the length of each face's feature: its weight where the
                           * method has no other. NULL without an encoder */

    /* BEGIN and UPDATE */
    const caface_face *face;
    const uint8_t *crop;  /* u8 [CAFACE_CROP_SIZE] */
    const float *feature; /* f32 [C]; NULL without an encoder */
    const float *style;   /* f32 [S][2]; NULL without an encoder or taps */

    /* FRAME */
    const caface_faces *faces; /* all of them, also those that belong to no track */
    const int64_t *tracks;     /* [count], 0 for none */
    const caface_image *image; /* the frame, with keep_pixels, else NULL; of BEGIN and UPDATE too */
} caface_video_event;

/* The next event, or NULL in *event at the end. For every frame: an END for
 * each track that is over, a BEGIN or UPDATE for each face of a track, then
 * FRAME; at the end of the video an END for each track left.
 * The errors of what is done inside; after one there are no more events.
 * EFORMAT: not one frame could be decoded. */
CAFACE_API caface_status caface_video_next(caface_video *video, const caface_video_event **event,
                                           caface_error *err);

/* Ends the video as if it had no more frames: caface_video_next gives what is
 * left of the frame at hand, the ENDs of the tracks, and NULL. A source that
 * waits for the network or a device is given up. Any thread; a signal handler
 * may call it. */
CAFACE_API void caface_video_stop(caface_video *video);

/* Grows at its end (caface/version.h). */
typedef struct caface_video_info {
    size_t width, height; /* upright, as the file says; 0: not known yet (a folder, a source) */
    double rate;          /* frames a second on average; 0: unknown */
    double duration;      /* seconds; 0: unknown */
    size_t frames;        /* as the file says; 0: it does not */
    size_t decoded;       /* good frames so far, those left out included */
    size_t broken;        /* that could not be decoded, or were announced and are not there */
    size_t faces;         /* found so far */
    size_t tracks;        /* begun so far */
    size_t cuts;          /* shot cuts so far */
    int live;             /* not 0: a camera, a pipe or an address */
    char codec[32];       /* "h264" ...; "pictures" of a folder, "" of a source */
    size_t dropped;       /* with live: frames so far that were left out for want of time */
    size_t reopened;      /* with live: times that the source broke and came back */
    int lost;             /* not 0: it broke and could not be opened again, and the video is over */
} caface_video_info;

/* Fills info. In the thread of caface_video_next. */
static inline void caface_video_get_info(const caface_video *video, caface_video_info *info);
/* What it calls: size is sizeof *info of the program; nothing is written beyond it. */
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
