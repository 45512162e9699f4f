/* caface/quality.h - how good a face is: how the head is turned, how large and how sharp the face
 * is, and what a quality network says of it (libcaface-vision). A program keeps bad faces out of
 * its galleries and templates by these.
 *
 *     caface_quality q;
 *
 *     caface_align(image, face->landmark, crop, &err);
 *     caface_quality_of(&face->box, face->landmark, crop, &q, &err);
 *     if (q.size < 40 || fabsf(q.yaw) > 45)
 *         ... ask for another picture ...
 *
 * The length of a feature (caface/encoder.h) tells as much: a poor picture has a short one. */
#ifndef CAFACE_QUALITY_H
#define CAFACE_QUALITY_H

#include <stddef.h>
#include <stdint.h>

#include "caface/detector.h"
#include "caface/encoder.h"
#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Later versions add members at the end (caface/version.h). */
typedef struct caface_quality {
    float yaw; /* degrees, from the landmarks and a mean head; positive when the nose points to the
                  right of the picture. NaN: not known, as for the next two */
    float pitch;      /* degrees; positive when the nose points up */
    float roll;       /* degrees; positive when the head leans clockwise */
    float size;       /* pixels: the side of a square that is as large as the box. NaN: not known */
    float sharpness;  /* of the crop: about 0.2 for a sharp face, 0.1 for one of 30 pixels, 0.04 for
                         one of 16 (docs/faces.md). NaN: not known */
    int is_plausible; /* not 0: the landmarks are arranged as those of a face. 0: they are not, or
                         not known */
} caface_quality;

/* Measures a face.
 *   box       in pixels of the picture; NULL: not known, and neither is size
 *   landmark  [CAFACE_LANDMARKS]; NULL: not known, and neither are yaw, pitch, roll, is_plausible.
 *             The angles are NaN also for landmarks that lie on one line or are not finite
 *   crop      u8 [CAFACE_CROP_SIZE] of the face, aligned; NULL: not known, and neither is sharpness
 * EINVAL: quality is NULL, the box is not finite. Any thread. */
static inline caface_status caface_quality_of(const caface_box *box, const caface_point *landmark,
                                              const uint8_t *crop, caface_quality *quality,
                                              caface_error *err);
/* The inline function calls this with sizeof *quality; nothing is written beyond that size. */
CAFACE_API caface_status caface_quality_of_sized(const caface_box *box,
                                                 const caface_point *landmark, const uint8_t *crop,
                                                 caface_quality *quality, size_t size,
                                                 caface_error *err);

/* Opens a face quality network (eDifFIQA, CR-FIQA): an ONNX file with an output of one number for
 * an aligned crop of 112x112. It is used as an encoder: caface_encoder_run writes one number for
 * each face, the quality, in place of a feature; it has no styles. threads as in
 * caface_encoder_options. The caller frees *out with caface_encoder_free; it is NULL on failure.
 * EMODEL: no output of one number, or crops of another size. Other errors as caface_encoder_open.
 */
CAFACE_API caface_status caface_quality_network_open(caface_encoder **out, const char *path,
                                                     size_t threads, caface_error *err);

static inline caface_status caface_quality_of(const caface_box *box, const caface_point *landmark,
                                              const uint8_t *crop, caface_quality *quality,
                                              caface_error *err)
{
    return caface_quality_of_sized(box, landmark, crop, quality, sizeof *quality, err);
}

#ifdef __cplusplus
}
#endif
#endif
