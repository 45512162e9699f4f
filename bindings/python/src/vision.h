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

extern PyMethodDef image_methods[], encoder_methods[], detector_methods[], video_methods[];

/* (x1, y1, x2, y2, score, ((x, y), ...)) of a face; NULL with an exception. */
PyObject *face_tuple(const caface_face *face);

#endif
