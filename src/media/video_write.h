/* Frames into a video file, encoded by FFmpeg. In a build without FFmpeg the
 * same names exist, and opening says what is missing. */
#ifndef CAFI_MEDIA_VIDEO_WRITE_H
#define CAFI_MEDIA_VIDEO_WRITE_H

#include "base/status.h"
#include "media/view.h"

typedef struct cafi_video_writer cafi_video_writer;

/* Begins a video. path ends in .mp4, .mov or .mkv; H.264 where this FFmpeg can
 * write it (libx264), else MPEG-4, which every FFmpeg can. rate: frames a
 * second on average, for the encoder's rate control; 0 when unknown. threads of
 * the encoder, 0: one for every core. The file appears at commit, whole or not
 * at all; memory does not grow with its length. EINVAL: another ending. EIO.
 * EUNSUPPORTED: no encoder. Sentences start with path. */
caface_status cafi_video_writer_open(cafi_video_writer **out, const char *path, double rate,
                                     size_t threads, caface_error *err);

/* Adds a frame, shown from `seconds` on; a time that does not grow is moved
 * behind the last one. The first frame's size, made even, is the video's; one
 * of another size is scaled to fit, with black beside it. EINVAL: a picture
 * without pixels, or too large for the encoder. EIO, ENOMEM. */
caface_status cafi_video_writer_add(cafi_video_writer *writer, const cafi_view *picture,
                                    double seconds, caface_error *err);

/* Puts the file in its place, and frees the writer in every case. EINVAL: no
 * frame was added. */
caface_status cafi_video_writer_commit(cafi_video_writer *writer, caface_error *err);
/* Leaves no file behind. NULL is allowed. */
void cafi_video_writer_abort(cafi_video_writer *writer);

#endif
