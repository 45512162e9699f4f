/* A video with its faces drawn in: boxes, landmarks, the number of each track,
 * and what the caller has to say of it. */
#ifndef CAFI_FACES_ANNOTATE_H
#define CAFI_FACES_ANNOTATE_H

#include "faces/draw.h"
#include "media/frame.h"

/* One face of a frame, and how it is marked. */
typedef struct cafi_mark {
    const cafi_face *face;
    int64_t track;    /* 0: of no track; drawn in grey, without a number */
    double share;     /* weight, as a multiple of an even share; below 0: unknown */
    const char *note; /* beside the track's number, or NULL */
} cafi_mark;

typedef struct cafi_annotator cafi_annotator;

/* As cafi_video_writer_open. Pictures whose longer side is below 640 are
 * enlarged by a whole number, so that the text has room. letters: faces/draw.h. */
caface_status cafi_annotator_open(cafi_annotator **out, const char *path, double rate,
                                  size_t threads, cafi_text_mask letters, caface_error *err);
/* Draws into the frame, or an enlarged copy of it, and writes that. Errors of
 * cafi_video_writer_add. */
caface_status cafi_annotator_add(cafi_annotator *annotator, cafi_frame *frame,
                                 const cafi_mark *marks, size_t count, caface_error *err);
/* As cafi_video_writer_commit and _abort: the annotator is freed. */
caface_status cafi_annotator_commit(cafi_annotator *annotator, caface_error *err);
void cafi_annotator_abort(cafi_annotator *annotator);

#endif
