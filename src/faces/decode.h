/* What one-shot detectors put out, as faces: pure functions over arrays.
 * Coordinates are pixels of the network's input. Anchors lie row by row, the
 * anchors of one place side by side. A face whose numbers are not finite or
 * whose box is empty is left out. */
#ifndef CAFI_FACES_DECODE_H
#define CAFI_FACES_DECODE_H

#include "faces/box.h"

/* One level of a detector's pyramid. */
typedef struct cafi_level {
    size_t rows, cols;
    size_t stride;
    size_t anchors; /* at each place */
} cafi_level;

/* YuNet (Wu et al., 2023), one anchor a place; N = rows * cols.
 *   cls, obj  f32 [N]      class and objectness, in 0..1 after clamping
 *   box       f32 [N][4]   centre less the anchor's corner, log of the size; in strides
 *   kps       f32 [N][10]  landmarks less the anchor's corner, x1 y1 x2 ...; in strides
 * The score is the geometric mean of cls and obj. ENOMEM. */
caface_status cafi_decode_yunet(cafi_faces *faces, const cafi_level *level, const float *cls,
                                const float *obj, const float *box, const float *kps,
                                float threshold, caface_error *err);

/* SCRFD (Guo et al., 2021); N = rows * cols * anchors.
 *   score  f32 [N]      in 0..1
 *   box    f32 [N][4]   distances to left, top, right, bottom; in strides
 *   kps    f32 [N][10]  offsets x1 y1 x2 ... from the anchor's corner; in
 *                       strides. NULL: landmarks are put where a frontal face
 *                       has them. */
caface_status cafi_decode_scrfd(cafi_faces *faces, const cafi_level *level, const float *score,
                                const float *box, const float *kps, float threshold,
                                caface_error *err);

/* RetinaFace's three maps of one level; anchors of the given sides, centred.
 *   score  f32 [2 anchors][rows][cols]   before the softmax
 *   box    f32 [4 anchors][rows][cols]   centre and log size, variances 0.1 and 0.2
 *   kps    f32 [10 anchors][rows][cols]  offsets from the centre, variance 0.1 */
caface_status cafi_decode_retinaface(cafi_faces *faces, const cafi_level *level, const float *sides,
                                     const float *score, const float *box, const float *kps,
                                     float threshold, caface_error *err);

/* Detectors that decode for themselves and give boxes alone (UltraFace); N candidates.
 *   score  f32 [N][2]  no face, face; after the softmax
 *   box    f32 [N][4]  corners, in parts of the input of width x height
 * The landmarks are put where a frontal face has them. EMODEL: scores that are no shares, as of a
 * file without its last steps. */
caface_status cafi_decode_boxes(cafi_faces *faces, size_t count, const float *score,
                                const float *box, size_t width, size_t height, float threshold,
                                caface_error *err);

/* A face that is known by its box and score alone: its landmarks are put where a frontal face has
 * them. ENOMEM. */
caface_status cafi_decode_box(cafi_faces *faces, cafi_face *face, caface_error *err);

#endif
