/* caface/detector.h - where the faces of a picture are, and the crops that an
 * encoder takes (libcaface-vision).
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

/* Pixels of the picture: the centre of its first pixel is at 0, 0. */
typedef struct caface_point {
    float x, y;
} caface_point;

typedef struct caface_box {
    float x1, y1, x2, y2; /* may stick out of the picture */
} caface_box;

/* Later versions may add members at the end, so an array of faces is never
 * handed over: caface_faces_at gives one. */
typedef struct caface_face {
    caface_box box;
    float score; /* 0..1 */
    /* the eye on the left of the picture, the other eye, the nose, the corner of the mouth on the
     * left, the other corner */
    caface_point landmark[CAFACE_LANDMARKS];
} caface_face;

/* A list of faces; the memory is used again from picture to picture. One thread
 * at a time. */
typedef struct caface_faces caface_faces;

/* An empty list, the caller's, to caface_faces_free. EINVAL: null argument. ENOMEM. */
CAFACE_API caface_status caface_faces_new(caface_faces **out, caface_error *err);
/* NULL is allowed. */
CAFACE_API void caface_faces_free(caface_faces *faces);
/* 0 of NULL. */
CAFACE_API size_t caface_faces_count(const caface_faces *faces);
/* Best first, as found. Borrowed until the list changes. NULL: no such face. */
CAFACE_API const caface_face *caface_faces_at(const caface_faces *faces, size_t index);
/* Adds a face at the end: for those who have a detector of their own. EINVAL:
 * null argument; a number that is not finite, a score outside of 0..1, a box
 * without extent. EUNSUPPORTED: a member of a later version is set. ENOMEM. On
 * any error the list is as before. */
static inline caface_status caface_faces_add(caface_faces *faces, const caface_face *face,
                                             caface_error *err);
/* What it calls: size is sizeof *face of the program. */
CAFACE_API caface_status caface_faces_add_sized(caface_faces *faces, const caface_face *face,
                                                size_t size, caface_error *err);
/* Makes the list empty. */
CAFACE_API void caface_faces_clear(caface_faces *faces);

/* ---- detectors ------------------------------------------------------------ */

/* Immutable once opened: any number of threads may search with one at a time.
 * Each search under way has buffers of its own, which are kept for the next. */
typedef struct caface_detector caface_detector;

/* Filled by caface_detector_options_init; then changed member by member. Grows at its
 * end (caface/version.h). */
typedef struct caface_detector_options {
    size_t size;        /* of this struct, set by init */
    float min_face;     /* pixels. MTCNN: side of its smallest window, at least 12, in which it
                         * finds faces from half that size; others: faces whose longer side is
                         * below half of this are dropped, so that all see alike. Default 20 */
    float score;        /* least score, 0 to below 1; 0: the family's own (MTCNN 0.9 at its last
                         * stage, RetinaFace 0.4, YuNet 0.6, SCRFD 0.5, UltraFace 0.7, LFFD
                         * 0.8). Default 0 */
    int low_thresholds; /* not 0: of MTCNN, 0.5 for each stage in place of 0.6, 0.7, 0.9 */
    size_t max_faces;   /* the best so many of a picture; 0: all. Default 0 */
    size_t max_side;    /* a picture whose longer side is beyond this is scaled down to it first;
                         * 0: 2560. Default 0 */
    size_t threads;     /* of one search; 0: one for every core. Default 0 */
    int rotate;         /* not 0: a picture without a sure, upright face is looked at in all four
                         * directions, up to four times as long; the boxes are still those of the
                         * picture as it was given. Default 0 */
    const char
        *landmarks;             /* a landmark network (.onnx: 5, 68 or 106 points) that places every
                                 * face's landmarks in place of the detector's; needed by UltraFace and
                                 * LFFD, which have none. Borrowed for the call. NULL: none. Default NULL */
    caface_precision precision; /* of one-shot networks (YuNet, SCRFD, RetinaFace, UltraFace, LFFD):
                                 * CAFACE_BF16 is faster where the processor has it, boxes and
                                 * scores differ in the third digit. Default CAFACE_FP32, and no
                                 * other for MTCNN. CAFACE_INT8 is not known */
} caface_detector_options;

/* The defaults. */
static inline void caface_detector_options_init(caface_detector_options *options);
/* What it calls: size is sizeof *options of the program; nothing is written beyond it. */
CAFACE_API void caface_detector_options_init_sized(caface_detector_options *options, size_t size);

/* Opens a folder of MTCNN weights (pnet.npy, rnet.npy, onet.npy), a file with
 * all three, a RetinaFace state dict, YuNet, SCRFD, UltraFace or LFFD as ONNX, or a file with
 * a detector and its landmark network that `caface convert` wrote, all recognised
 * by what is in them. options NULL: the defaults. The files may be deleted
 * afterwards, but not written to. *out is the caller's, to
 * caface_detector_free; NULL on failure.
 * EINVAL: null argument, an option out of its range or not the family's. EIO,
 * EFORMAT, ELIMIT, EUNSUPPORTED: as caface_model_open. EMODEL: no such
 * detector. ENOMEM. */
CAFACE_API caface_status caface_detector_open(caface_detector **out, const char *path,
                                              const caface_detector_options *options,
                                              caface_error *err);

/* NULL is allowed. No search may be running. */
CAFACE_API void caface_detector_free(caface_detector *detector);

/* "mtcnn", "retinaface", "yunet", "scrfd", "ultraface", "lffd". Static. */
CAFACE_API const char *caface_detector_family(const caface_detector *detector);

/* Replaces faces by those of the image, best first. The same picture gives the
 * same bits, whatever the number of threads. Any thread.
 * EINVAL: null argument. EMODEL: a network whose outputs are not what its
 * family's are. ENOMEM. On any error the list is empty. */
CAFACE_API caface_status caface_detector_find(caface_detector *detector, const caface_image *image,
                                              caface_faces *faces, caface_error *err);

/* ---- crops ---------------------------------------------------------------- */

#define CAFACE_CROP_SIDE 112
/* Bytes of a crop: u8 [112][112][3], R G B. */
#define CAFACE_CROP_SIZE (CAFACE_CROP_SIDE * CAFACE_CROP_SIDE * 3)

/* The crop of a face as encoders were trained on it: rotated, scaled and moved
 * so that the five landmarks come closest to those of the template (least
 * squares, measured in the picture), bilinear, black outside of the picture.
 *   landmark  [CAFACE_LANDMARKS], as in caface_face
 *   crop      u8 [CAFACE_CROP_SIZE], written
 * EINVAL: null argument; landmarks that are not finite or all in one place.
 * ENOMEM. On any error crop is as it was. Any thread. */
CAFACE_API caface_status caface_align(const caface_image *image, const caface_point *landmark,
                                      uint8_t *crop, caface_error *err);

/* The crop of a picture in which no face is found: its middle as the authors
 * take it, the whole resized to 196x196, of which the middle 112x112. EINVAL:
 * null argument. ENOMEM. Any thread. */
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
