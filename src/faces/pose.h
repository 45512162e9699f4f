/* How a head is turned, and whether five landmarks can be those of a face. */
#ifndef CAFI_FACES_POSE_H
#define CAFI_FACES_POSE_H

#include <stdbool.h>

#include "faces/box.h"

typedef struct cafi_pose {
    /* Degrees. yaw: positive when the nose points to the picture's right;
     * pitch: positive when it points up; roll: positive when the head leans
     * clockwise, as the picture shows it. */
    double yaw, pitch, roll;
    /* Root of the mean squared distance of the landmarks from those of a mean
     * face turned so, over the distance between its eyes. */
    double misfit;
    double front; /* 1: faces the camera; below 0: away from it, which no landmarks show */
} cafi_pose;

/* The scaled rotation of a mean head that comes closest to the landmarks
 * under orthographic projection: the affine map of least squares, made
 * orthogonal (Dementhon and Davis 1995 without its iterations). False: the
 * landmarks are not finite, or on one line. */
bool cafi_pose_of(cafi_pose *out, const cafi_point *landmark);

/* True when the landmarks are arranged as those of a face: one that looks at
 * most away from the camera, not mirrored, with a misfit that detectors reach
 * on faces. Not whether it is upright. */
bool cafi_landmarks_are_plausible(const cafi_point *landmark);

#endif
