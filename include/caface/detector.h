/* caface/detector.h - finds the faces of a picture, and makes the crops that an encoder takes
 * (libcaface-vision).
 *
 *     caface_detector *detector;
 *     caface_faces *faces;
 *     uint8_t crop[CAFACE_CROP_SIZE];
 *
 *     caface_detector_open(&detector, "yunet.onnx", NULL, &err);
 *     caface_faces_new(&faces, &err);
 *     caface_detector_find(detector, image, faces, &err);
 *     if (caface_faces_count(faces))
 *         caface_align(image, caface_faces_at(faces, 0)->landmark, crop, &err);
 */
#ifndef CAFACE_DETECTOR_H
#define CAFACE_DETECTOR_H

#include <stddef.h>
#include <stdint.h>

#include "caface/image.h"
#include "caface/precision.h"
#include "caface/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- faces ---------------------------------------------------------------- */

#define CAFACE_LANDMARKS 5

/* In pixels of the picture; the centre of its first pixel is at 0, 0. */
typedef struct caface_point {
    float x, y;
} caface_point;

typedef struct caface_box {
    float x1, y1, x2, y2; /* may extend beyond the picture */
} caface_box;

/* Later versions may add members at the end, so there are no arrays of this struct: caface_faces_at
 * gives one face. */
typedef struct caface_face {
    caface_box box;
    float score; /* 0..1 */
    /* the eye on the left of the picture, the other eye, the nose, the corner of the mouth on the
     * left, the other corner */
    caface_point landmark[CAFACE_LANDMARKS];
} caface_face;

/* A list of faces, whose memory is used again for the next picture. Only one thread at a time may
 * use it. */
typedef struct caface_faces caface_faces;

/* Makes an empty list, which the caller frees with caface_faces_free. EINVAL: null argument.
 * ENOMEM. */
CAFACE_API caface_status caface_faces_new(caface_faces **out, caface_error *err);
/* NULL is allowed. */
CAFACE_API void caface_faces_free(caface_faces *faces);
/* The number of faces; 0 for NULL. */
CAFACE_API size_t caface_faces_count(const caface_faces *faces);
/* A face, the best first; valid until the list changes. NULL: index is too large. */
CAFACE_API const caface_face *caface_faces_at(const caface_faces *faces, size_t index);
/* Adds a face at the end, for programs with their own detector. EINVAL:
 * null argument; a number that is not finite, a score outside 0..1, an empty box. EUNSUPPORTED: a
 * member of a later version is set. ENOMEM. After an error the list is unchanged. */
static inline caface_status caface_faces_add(caface_faces *faces, const caface_face *face,
                                             caface_error *err);
/* The inline function calls this with sizeof *face. */
CAFACE_API caface_status caface_faces_add_sized(caface_faces *faces, const caface_face *face,
                                                size_t size, caface_error *err);
/* Makes the list empty. */
CAFACE_API void caface_faces_clear(caface_faces *faces);

/* ---- detectors ------------------------------------------------------------ */

/* Immutable once opened: any number of threads may search with it at the same time. Each running
 * search has its own buffers, which are kept for the next search. */
typedef struct caface_detector caface_detector;

/* Filled by caface_detector_options_init; then changed member by member. Later versions add members
 * at the end (caface/version.h). */
typedef struct caface_detector_options {
    size_t size;    /* of this struct, set by init */
    float min_face; /* pixels. MTCNN: the side of its smallest window, at least 12, in which it
                       finds faces from half that size. Others: faces whose longer side is below
                       half of this are dropped, so that all detectors find about the same sizes.
                       Default 20 */
    float score; /* the least score, from 0 to below 1; 0: the default of the family (MTCNN 0.9 at
                  * its last stage, RetinaFace 0.4, YuNet 0.6, SCRFD 0.5, UltraFace 0.7, LFFD 0.8).
                  * Default 0 */
    int low_thresholds; /* not 0: thresholds of 0.5 in all stages of MTCNN, in place of 0.6, 0.7,
                           0.9 */
    size_t max_faces;   /* keep at most this many faces per picture, the best; 0: all. Default 0 */
    size_t max_side;    /* a picture whose longer side is beyond this is scaled down to it first;
                         * 0: 2560. Default 0 */
    size_t threads;     /* threads of one search; 0: one per core. Default 0 */
    int rotate; /* not 0: a picture in which no upright face is certain is searched in all four
                   directions, which takes up to four times as long. Boxes always refer to the
                   picture as given. Default 0 */
    const char *landmarks; /* a landmark network (.onnx with 5, 68 or 106 points) whose landmarks
                              replace those of the detector; needed for UltraFace and LFFD, which
                              find boxes only. Borrowed for the call. Default NULL: none */
    caface_precision precision; /* of one-shot networks (YuNet, SCRFD, RetinaFace, UltraFace, LFFD):
                                 * CAFACE_BF16 is faster on processors that have it; boxes and
                                 * scores differ in the third digit. Default CAFACE_FP32, the only
                                 * one for MTCNN. CAFACE_INT8 is refused */
} caface_detector_options;

/* The defaults. */
static inline void caface_detector_options_init(caface_detector_options *options);
/* The inline function calls this with sizeof *options; nothing is written beyond that size. */
CAFACE_API void caface_detector_options_init_sized(caface_detector_options *options, size_t size);

/* Opens a folder of MTCNN weights (pnet.npy, rnet.npy, onet.npy), a file with
 * all three, a RetinaFace state dict, YuNet, SCRFD, UltraFace or LFFD as ONNX, or a file with
 * a detector and its landmark network that `caface convert` wrote, recognised by their content.
 * options NULL: the defaults. The files may be deleted afterwards, but not written to. The caller
 * frees *out with caface_detector_free; it is NULL on failure. EINVAL: null argument, an option out
 * of range or not for this family. EIO, EFORMAT, ELIMIT, EUNSUPPORTED: as caface_model_open.
 * EMODEL: not a known detector. ENOMEM. */
CAFACE_API caface_status caface_detector_open(caface_detector **out, const char *path,
                                              const caface_detector_options *options,
                                              caface_error *err);

/* NULL is allowed. No search may be running. */
CAFACE_API void caface_detector_free(caface_detector *detector);

/* "mtcnn", "retinaface", "yunet", "scrfd", "ultraface", "lffd". Static. */
CAFACE_API const char *caface_detector_family(const caface_detector *detector);

/* Replaces the list by the faces of the image, the best first. The result is the same, bit for bit,
 * for any number of threads. Any thread. EINVAL: null argument. EMODEL: the outputs of the network
 * are not those of its family. ENOMEM. After an error the list is empty. */
CAFACE_API caface_status caface_detector_find(caface_detector *detector, const caface_image *image,
                                              caface_faces *faces, caface_error *err);

/* ---- crops ---------------------------------------------------------------- */

#define CAFACE_CROP_SIDE 112
/* Bytes of a crop: u8 [112][112][3], R G B. */
#define CAFACE_CROP_SIZE (CAFACE_CROP_SIDE * CAFACE_CROP_SIDE * 3)

/* Makes the crop of a face in the form that encoders were trained on: rotated, scaled and moved so
 * that its five landmarks come closest to those of the standard crop (least squares, measured in
 * the picture); bilinear, and black outside the picture. landmark  [CAFACE_LANDMARKS], as in
 * caface_face crop      u8 [CAFACE_CROP_SIZE], written EINVAL: null argument; landmarks that are
 * not finite or all in one place. ENOMEM. After an error crop is unchanged. Any thread. */
CAFACE_API caface_status caface_align(const caface_image *image, const caface_point *landmark,
                                      uint8_t *crop, caface_error *err);

/* The crop of a picture in which no face is found, as the authors make it: the picture resized to
 * 196x196, of which the middle 112x112. EINVAL: null argument. ENOMEM. Any thread. */
CAFACE_API caface_status caface_align_center(const caface_image *image, uint8_t *crop,
                                             caface_error *err);

static inline caface_status caface_faces_add(caface_faces *faces, const caface_face *face,
                                             caface_error *err)
{
    return caface_faces_add_sized(faces, face, sizeof *face, err);
}

static inline void caface_detector_options_init(caface_detector_options *options)
{
    caface_detector_options_init_sized(options, sizeof *options);
}

#ifdef __cplusplus
}
#endif
#endif
