/* Faces as detectors find them, lists of them, and overlap. */
#ifndef CAFI_FACES_BOX_H
#define CAFI_FACES_BOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "caface/detector.h"

#define CAFI_LANDMARKS CAFACE_LANDMARKS

typedef caface_box cafi_box;
typedef caface_point cafi_point;
typedef caface_face cafi_face;

/* A list that grows. Zero-initialise; free with cafi_faces_free. */
typedef struct caface_faces {
    cafi_face *items;
    size_t count, capacity;
    int quarters; /* turns clockwise that make the picture upright; cafi_detector_run sets it */
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
