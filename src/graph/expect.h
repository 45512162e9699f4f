/* What one element of a step's output should be, from the bytes the step read:
 * the plain definition, in double, with the difference that is allowed. */
#ifndef CAFI_GRAPH_EXPECT_H
#define CAFI_GRAPH_EXPECT_H

#include "graph/program.h"

/* A step as it lies in memory before and after it ran. before[k] is input k as
 * it was; out is what the step wrote. */
typedef struct cafi_step_view {
    const cafi_plan_op *step;
    const void *before[CAFI_MAX_INPUTS];
    const void *old; /* out as it was, for sums */
    const void *out;
    const cafi_step_weights *weights; /* of DNN steps */
} cafi_step_view;

/* Where an element is: row, channel, and position of the output. */
typedef struct cafi_place {
    size_t row, channel, y, x;
} cafi_place;

/* Extents of a step's output as rows, channels, height and width; height 1 where
 * only the number of positions is known. False: the step is its own definition,
 * or moves bytes, and there is nothing to expect. */
bool cafi_expect_extent(const cafi_plan_op *step, cafi_place *extent);

typedef struct cafi_expected {
    double got, want, allowed;
} cafi_expected;
cafi_expected cafi_expect(const cafi_step_view *view, const cafi_place *place);

/* False when a lane that fills up the last group of a DNN step's output is not
 * zero: its readers rely on that. */
bool cafi_expect_padding(const cafi_step_view *view);

#endif
