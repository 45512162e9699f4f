/* Small networks of the form of UltraFace, of LFFD and of landmark networks, whose answers are
 * known. */
#ifndef CAFACE_TESTS_BOX_NETWORKS_H
#define CAFACE_TESTS_BOX_NETWORKS_H

#include "onnx_writer.h"

/* The input of the box network, no multiple of 32, and its cells. */
enum { BOX_WIDTH = 80, BOX_HEIGHT = 60, BOX_CELL = 4 };

/* A box network: outputs `scores` [1][300][2] and `boxes` [1][300][4]. A cell of 4x4 pixels
 * that is white has a score of BOX_SCORE and a box that reaches 8 pixels to each side beyond it, a
 * dark one almost none. softmax: 0 leaves the last step of the scores out. */
#define BOX_SCORE 0.98
void box_network(onnx_writer *w, int softmax);

/* A network of LFFD's form with 5 or 8 scales, for pictures of any size: a map of scores and one of
 * boxes a scale. Cell x, y of a scale with stride s has LFFD_SCORE where pixel sx, sy is white,
 * almost 0 where it is dark, and says its corners are 0.4 of the field's side to the left, 0.3
 * above, 0.2 to the right and 0.5 below the middle of its receptive field. last: 0 leaves the
 * scores' last step out; wrong: the last boxes have 3 numbers. */
#define LFFD_SCORE 0.97
void lffd_network(onnx_writer *w, int scales, int last, int wrong);

/* The five landmarks that landmark_network gives on a picture that is as bright on the left as on
 * the right, in parts of what it sees. */
extern const float network_five[5][2];
/* By how much they all move to the right, in parts, when the left half is white and the right
 * one black; the other way round to the left. */
#define NETWORK_SHIFT 0.2f

typedef enum network_units { IN_PARTS, ABOUT_THE_MIDDLE, IN_PIXELS } network_units;
/* Orders of points as in faces/landmark_net.h; FLAT is no face in any. */
typedef enum network_order { AS_5, AS_68, AS_106_INSIGHT, AS_106_JD, FLAT_68 } network_order;

/* A landmark network: input [1][channels][16][16], values 0..1; output [1][2 points]. */
void landmark_network(onnx_writer *w, int channels, network_order order, network_units units);

#endif
