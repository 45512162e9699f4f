/* Faces as detectors find them, lists of them, and overlap. */
#ifndef CAFI_FACES_BOX_H
#define CAFI_FACES_BOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#define CAFI_LANDMARKS 5

typedef struct cafi_box {
    float x1, y1, x2, y2; /* pixels of the picture; may stick out of it */
} cafi_box;

typedef struct cafi_point {
    float x, y;
} cafi_point;

/* Landmarks in the order of the alignment template: the eye on the left of the
 * picture, the other eye, the nose, the two corners of the mouth. */
typedef struct cafi_face {
    cafi_box box;
    float score; /* 0..1 */
    cafi_point landmark[CAFI_LANDMARKS];
} cafi_face;

/* A list that grows. Zero-initialise; free with cafi_faces_free. */
typedef struct cafi_faces {
    cafi_face *items;
    size_t count, capacity;
} cafi_faces;

/* ENOMEM: the list is unchanged. */
caface_status cafi_faces_add(cafi_faces *faces, const cafi_face *face, caface_error *err);
void cafi_faces_free(cafi_faces *faces);

/* The area of a box, `edge` added to each side's length: 0 for boxes between
 * corners, 1 for boxes whose x2 and y2 are the last pixels. Never negative. */
double cafi_box_area(const cafi_box *box, double edge);

typedef enum cafi_overlap {
    CAFI_OVERLAP_UNION,  /* intersection over union */
    CAFI_OVERLAP_SMALLER /* intersection over the smaller area */
} cafi_overlap;

/* 0 where nothing is shared, or both are empty. */
double cafi_box_overlap(const cafi_box *a, const cafi_box *b, cafi_overlap kind, double edge);
/* Intersection over union of boxes between corners. */
double cafi_box_iou(const cafi_box *a, const cafi_box *b);

/* The faces' order by score, highest first (of equal scores the later one
 * first, as a stable ascending sort read backwards), less those whose overlap
 * with a kept one is above threshold. keep [count] gets the *kept numbers. */
caface_status cafi_suppress(const cafi_face *faces, size_t count, double threshold,
                            cafi_overlap kind, double edge, size_t *keep, size_t *kept,
                            caface_error *err);

/* The same in place: the list becomes what is kept, in that order. */
caface_status cafi_faces_suppress(cafi_faces *faces, double threshold, cafi_overlap kind,
                                  double edge, caface_error *err);

/* True when box, score and landmarks are finite and the box is not turned
 * inside out. */
bool cafi_face_is_sound(const cafi_face *face);

#endif
