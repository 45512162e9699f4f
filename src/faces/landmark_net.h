/* A landmark network behind a detector: a face's box in, five landmarks out. */
#ifndef CAFI_FACES_LANDMARK_NET_H
#define CAFI_FACES_LANDMARK_NET_H

#include "faces/box.h"
#include "faces/resample.h"
#include "graph/plan.h"
#include "media/view.h"
#include "onnx/file.h"

/* Points of a network at most. */
#define CAFI_MAX_POINTS 106

typedef struct cafi_landmark_net cafi_landmark_net;

/* True when the file's input and output are those of a landmark network: one picture of one or
 * three channels and a fixed size, and 5, 68 or 106 pairs of numbers. */
bool cafi_landmark_net_is(const cafi_onnx_file *file);

/* Makes the network ready. What a file does not say is found out by the network's answer to a grey
 * picture, which is its mean face: whether its numbers are parts of the box (0..1), of the box
 * about its middle (-1..1) or pixels of its input, and in which of the known orders 106 points come
 * (InsightFace's, or that of the JD-landmark set). Pixels are what the graph's first steps are made
 * for, or 0..1 where it begins with a layer (grey: over 256).
 * check is of its plan. file is borrowed for the call. EMODEL: no such network, or its mean face is
 * no face. */
caface_status cafi_landmark_net_new(cafi_landmark_net **out, cafi_onnx_file *file, size_t threads,
                                    cafi_check check, caface_error *err);
void cafi_landmark_net_free(cafi_landmark_net *net);

/* For profiles and checks. Borrowed. */
const cafi_plan *cafi_landmark_net_plan(const cafi_landmark_net *net);
size_t cafi_landmark_net_points(const cafi_landmark_net *net);

/* Puts the network's landmarks in place of those that each face has; a face whose box has no place
 * in the picture, or whose landmarks are not finite, is taken out. One caller at a time.
 * Errors as of cafi_plan_run. */
caface_status cafi_landmark_net_run(cafi_landmark_net *net, const cafi_view *picture,
                                    cafi_faces *faces, caface_error *err);

/* The five of `count` points (5, 68 or 106) in one of the orders that such a count is known in;
 * false where there is no such order. */
bool cafi_five_of(cafi_point *five, const cafi_point *points, size_t count, size_t order);

#endif
