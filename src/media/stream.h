/* A video stream, decoded by FFmpeg: what media/video.h reads from files,
 * pipes, addresses and cameras. In a build without FFmpeg the same names
 * exist, and opening says what is missing. */
#ifndef CAFI_MEDIA_STREAM_H
#define CAFI_MEDIA_STREAM_H

#include <stdbool.h>

#include "media/frame.h"
#include "media/wish.h"

typedef struct cafi_stream cafi_stream;

typedef struct cafi_stream_info {
    char codec[32];
    size_t width, height; /* upright; of the header: frames may differ */
    double rate;          /* frames a second on average, 0 when unknown */
    double duration;      /* seconds, 0 when unknown */
    size_t frames;        /* as the container says, 0 when it doesn't */
    int rotation;         /* degrees clockwise that frames are turned by */
    double first;         /* time stamp of its beginning, in seconds; 0 for a live source */
    bool live;            /* a camera, a pipe or an address: cannot be wound */
    bool pipe;            /* cannot be opened again */
} cafi_stream_info;

typedef struct cafi_stream_counts {
    size_t decoded;   /* good frames */
    size_t broken;    /* frames and packets that could not be decoded */
    size_t missing;   /* frames the container announced, as a number or by its length, and the
                       * data did not hold */
    double announced; /* seconds the video should last, where frames are missing; else 0 */
    double reached;   /* and where it ends */
    size_t reopened;  /* times that a live source broke and was opened again (media/video.h) */
    bool lost;        /* it broke, and could not be: reached says when */
    uint64_t bytes, part_end; /* of an MP4 or a Matroska file that breaks off inside a part: the
                               * file's size, and where the part should end; else 0 */
} cafi_stream_counts;

/* Opens path, which must stay until close: a file, "-" for stdin, an address with "://", a device
 * under /dev/. A local file may refer to local files only, so that a playlist from elsewhere
 * reaches nothing on the network. threads 0: one for every core. stop is asked while a source keeps
 * one waiting: true gives up, as if it had ended there; a pipe that is silent is not given up by
 * it. EIO: can't be opened. EFORMAT: nothing FFmpeg knows as video. EUNSUPPORTED: no FFmpeg in this
 * build, or no decoder. Sentences start with path. Turns off FFmpeg's own messages, for the whole
 * process. */
caface_status cafi_stream_open(cafi_stream **out, const char *path, size_t threads, cafi_wish stop,
                               caface_error *err);
void cafi_stream_close(cafi_stream *stream);
cafi_stream_info cafi_stream_get_info(const cafi_stream *stream);
cafi_stream_counts cafi_stream_get_counts(const cafi_stream *stream);

/* How a frame's chroma, which video has at a quarter of the pixels, gets its full size. */
typedef enum cafi_chroma {
    CAFI_CHROMA_FULL,   /* bicubic to every pixel, rounded to nearest: the best on small faces */
    CAFI_CHROMA_FAST,   /* bilinear, one value for two pixels of a row */
    CAFI_CHROMA_OPENCV, /* as OpenCV reads video: swscale's bicubic, BT.601 and studio range */
    CAFI_CHROMA_COUNT
} cafi_chroma;

/* "full", "fast", "opencv"; false when text is none of them. */
bool cafi_chroma_parse(cafi_chroma *out, const char *text);
const char *cafi_chroma_name(cafi_chroma chroma);
/* Before the first pixels; full is the default. */
void cafi_stream_set_chroma(cafi_stream *stream, cafi_chroma chroma);

/* At the end: does it lie where the container announces it? What announces none, as a camera,
 * has no end of its own. */
bool cafi_stream_is_whole(const cafi_stream *stream);

/* Winds to a key frame at or before that second, where the source allows; a
 * source that does not is left where it is. Call before the first advance. */
void cafi_stream_seek(cafi_stream *stream, double seconds);

/* Decodes the next good frame; broken ones are skipped and counted. *got is
 * false at the end, which a file that breaks off reaches early. The frame's
 * time is the container's, in seconds (a file may begin at 11.4), never falling
 * and never below 0; a live source begins at 0. ENOMEM. */
caface_status cafi_stream_advance(cafi_stream *stream, double *seconds, bool *got,
                                  caface_error *err);

/* The pixels of the frame just decoded, upright R G B. ENOMEM, ELIMIT: beyond
 * CAFI_FRAME_MAX_PIXELS (8K and a little). EFORMAT: a pixel format that can't be converted. */
#define CAFI_FRAME_MAX_PIXELS ((int64_t)1 << 25)
caface_status cafi_stream_pixels(cafi_stream *stream, cafi_frame *frame, caface_error *err);

/* FFmpeg's version, or "none". */
const char *cafi_stream_library(void);

#endif
