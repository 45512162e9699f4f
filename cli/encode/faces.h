/* caface encode --detector: faces found in photographs and videos. */
#ifndef CAFACE_CLI_ENCODE_FACES_H
#define CAFACE_CLI_ENCODE_FACES_H

#include "cli/command.h"
#include "faces/encode.h"
#include "faces/pipeline.h"
#include "media/video.h"
#include "cli/progress.h"

typedef struct cli_faces_params {
    const cli_list *inputs; /* photographs, folders and lists of them, videos */
    cafi_detector *detector;
    cafi_video_options video;
    bool centre; /* a photograph without a face gives its middle */
    const char *output;
    const char *draw;                /* a video with the faces drawn in, or NULL; for one video */
    const char *precision, *command; /* for set.json */
    cafi_encoder *encoder;
    const caface_model *fusion; /* weights of tracks, and compact styles; or NULL */
    bool compact;
    size_t threads;
    bool quiet;
} cli_faces_params;

/* Finds, aligns, encodes, and follows through videos; writes the set, and, when
 * there is a video, its tracks.json. Rows have the columns source, frame,
 * track, template, label and score; the template of a video's face is its
 * track, that of a photograph's its label. Tracks are numbered through all
 * videos, templates of photographs after those before them. With centre, a
 * column "centre" is 1 where no face was found. draw with anything but one video
 * is EINVAL. result is filled as far as
 * things went, and is the caller's to clear. Errors as cafi_encode. */
caface_status cli_encode_faces(cafi_encode_result *result, const cli_faces_params *params,
                               caface_error *err);

#endif
