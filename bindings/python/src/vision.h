/* Names of the capsules of caface._vision, and the functions that each of its files has. */
#ifndef CAFACE_PYTHON_VISION_H
#define CAFACE_PYTHON_VISION_H

#include "caface/detector.h"
#include "handle.h"

#define MODEL "caface.model" /* of caface._core: the same build of the same library */
#define IMAGE "caface.image"
#define ENCODER "caface.encoder"
#define DETECTOR "caface.detector"
#define VIDEO "caface.video"

extern PyMethodDef image_methods[], encoder_methods[], detector_methods[], video_methods[],
    file_methods[];

/* What is said of a backbone in place of what its file says: of caface/encoder.h, and of
 * caface/convert.h. The texts are Python's. */
typedef struct backbone_words {
    const char *taps[8];
    size_t tap_count;
    const char *styles, *order, *weights_key; /* or NULL */
    float mean[3], scale[3];
    int has_mean, has_scale;
} backbone_words;

/* From (taps, styles, order, mean, scale, weights_key): taps a tuple of bytes, mean and scale of
 * three numbers or None, the others str or None. -1 with an exception. */
int backbone_words_read(backbone_words *out, PyObject *args);

/* (x1, y1, x2, y2, score, ((x, y), ...)) of a face; NULL with an exception. */
PyObject *face_tuple(const caface_face *face);
/* The same of all faces. */
PyObject *faces_list(const caface_faces *faces);

#endif
