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

/* What a frame is to the frames before it. A single frame that differs may be a
 * flash or a fault, so a new shot is certain with its second frame only. */
typedef enum cafi_shot {
    CAFI_SHOT_GOES_ON = 0,
    CAFI_SHOT_BEGINS, /* with this frame, surely */
    CAFI_SHOT_DOUBT,  /* perhaps with this frame: the next tells */
    CAFI_SHOT_BEGAN   /* with the frame, or the frames, that were in doubt */
} cafi_shot;

/* What is remembered from frame to frame. Zero-initialise. */
typedef struct cafi_cut_detector {
    cafi_cut_histogram last;
    cafi_cut_histogram before; /* while in doubt: the last frame that was not */
    float recent;              /* moving average of the changes */
    float change;              /* of the last frame against the one before, 0..1 */
    unsigned doubt;            /* frames in doubt so far */
    bool started;
} cafi_cut_detector;

/* Judges the next frame. In doubt is one whose histograms differ from the frame
 * before by more than threshold, and by much more than is usual just now; never
 * the first, and not one that shows the same scene under other light (a flash that
 * overexposes it, for any number of frames). The frame behind it decides: the shot goes on
 * when it is like the frame in front of the doubt. Blank frames (a white flash, a black one)
 * may follow each other, up to eight of them. */
cafi_shot cafi_cut_step(cafi_cut_detector *detector, const cafi_cut_histogram *frame,
                        float threshold);

#endif
