/* An axis: limits, ticks, and where a value stands on the page. */
#ifndef CAFI_PLOT_AXIS_H
#define CAFI_PLOT_AXIS_H

#include "plot/chart.h"

#define CAFI_AXIS_MAX_TICKS 24
#define CAFI_MINUS "\xE2\x88\x92" /* the sign, wider than a hyphen */

typedef struct cafi_axis {
    cafi_scale scale;
    double min, max; /* limits, in the data's units */
    double from, to; /* where they stand on the page */
    size_t tick_count;
    double tick[CAFI_AXIS_MAX_TICKS];
    char text[CAFI_AXIS_MAX_TICKS][24]; /* "10^-3": a raised exponent */
} cafi_axis;

/* Fills axis from what the caller asked for and the range of the data (which
 * lies in the scale's domain). spacing is the least distance of two ticks on
 * the page. from may be greater than to. */
void cafi_axis_fit(cafi_axis *axis, const cafi_chart_axis *spec, double data_min, double data_max,
                   double from, double to, double spacing);

/* Where a value stands; finite for every finite value (a log axis puts what is
 * not positive at its lower limit). */
double cafi_axis_place(const cafi_axis *axis, double value);

/* True when the value can stand on the axis at all. */
bool cafi_axis_shows(cafi_scale scale, double value);

#endif
