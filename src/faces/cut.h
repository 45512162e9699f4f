/* Shot cuts: where a video jumps from one picture to another. */
#ifndef CAFI_FACES_CUT_H
#define CAFI_FACES_CUT_H

#include <stdbool.h>

#include "media/view.h"

#define CAFI_CUT_CELLS 4
#define CAFI_CUT_BINS 16

/* Colour histograms of a frame, on a grid; each channel's add up to 1. */
typedef struct cafi_cut_histogram {
    float value[CAFI_CUT_CELLS * CAFI_CUT_CELLS][3 * CAFI_CUT_BINS];
} cafi_cut_histogram;

/* Any thread. */
void cafi_cut_measure(cafi_cut_histogram *histogram, const cafi_view *picture);

/* What is remembered from frame to frame. Zero-initialise. */
typedef struct cafi_cut_detector {
    cafi_cut_histogram last;
    float recent; /* moving average of the changes */
    float change; /* of the last frame against the one before, 0..1 */
    bool started;
} cafi_cut_detector;

/* True when the frame begins a new shot: its histograms differ from the frame
 * before by more than threshold, and by much more than is usual just now.
 * Never for the first frame. */
bool cafi_cut_step(cafi_cut_detector *detector, const cafi_cut_histogram *frame, float threshold);

#endif
