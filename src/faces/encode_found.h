/* Encoding of faces that are found first: photographs and videos in, a feature
 * set out, with the tracks of the videos beside it. */
#ifndef CAFI_FACES_ENCODE_FOUND_H
#define CAFI_FACES_ENCODE_FOUND_H

#include "faces/draw.h"
#include "faces/encode.h"
#include "faces/pipeline.h"
#include "media/video.h"

typedef struct cafi_found_options {
    const char *const *inputs; /* photographs, folders and lists of them, videos */
    size_t input_count;
    cafi_detector *detector;
    cafi_encoder *encoder;
    const caface_model *fusion; /* weights of tracks, and compact styles; or NULL */
    bool compact;
    cafi_video_options video;
    cafi_encoder *quality;  /* a quality network, or NULL */
    cafi_quality_gate gate; /* faces that do not pass get no row */
    bool allow_damaged;     /* photographs that are cut short or damaged are taken */
    bool centre;            /* a photograph without a face gives its middle */
    cafi_face_rule face; /* of a photograph with several, whose; with ALL they share its template */
    const char *output;  /* folder of the set */
    bool resume;         /* go on where a set at output stopped */
    const char *draw;    /* a video with the faces drawn in, or NULL; for one video */
    cafi_text_mask letters; /* of its labels (faces/draw.h) */
    const char *command;    /* for set.json */
    size_t threads;
    /* Called after every frame and photograph; total is 0: nobody knows. false
     * stops the work. */
    bool (*progress)(void *ctx, size_t done, size_t total);
    void *ctx;
} cafi_found_options;

/* Finds, aligns, encodes, and follows through videos; writes the set, and, when
 * there is a video, its tracks.json. Rows have the columns source, frame, track,
 * template, label, score and those of faces/quality.h; the template of a video's face is its track,
 * that of a photograph's its label. Tracks are numbered through all videos, templates of
 * photographs after those before them. With centre, a column "centre" is 1 where
 * no face was found.
 *
 * With resume, photographs that have rows and videos that were read to their end
 * keep their rows and tracks; a video that was stopped midway begins again. The set
 * is the same, byte for byte, as made in one go.
 *
 * EINVAL: draw with anything but one video, or with resume. EMODEL: with resume, a
 * set of other inputs, or made another way. Else as cafi_encode; result is filled
 * as far as things went, and is the caller's to clear. */
caface_status cafi_encode_found(cafi_encode_result *result, const cafi_found_options *options,
                                caface_error *err);

#endif
