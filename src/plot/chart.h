/* A line chart: ROC, CMC and DET curves, losses over epochs. */
#ifndef CAFI_PLOT_CHART_H
#define CAFI_PLOT_CHART_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef enum cafi_scale { CAFI_SCALE_LINEAR, CAFI_SCALE_LOG } cafi_scale;

typedef struct cafi_chart_axis {
    const char *label; /* or NULL */
    cafi_scale scale;
    double min, max; /* both 0: round limits around the data */
    bool whole;      /* ticks at whole numbers only: epochs, ranks */
    bool percent;    /* 0.5 is labelled "50 %"; linear scale only */
} cafi_chart_axis;

/* One curve, count points in the order of drawing. A point that the chart
 * can't show (NaN, infinite, not positive on a log scale) leaves a gap. */
typedef struct cafi_chart_series {
    const char *name;
    const double *x, *y;      /* [count] */
    const double *low, *high; /* [count], a band such as a 95 % interval; or both NULL */
    size_t count;
    bool markers; /* a dot at every point, for curves of few points */
} cafi_chart_series;

/* Everything is borrowed for the call of cafi_chart_save. Zero-initialise. */
typedef struct cafi_chart {
    const char *title;    /* or NULL */
    const char *subtitle; /* or NULL */
    cafi_chart_axis x, y;
    const cafi_chart_series *series;
    size_t series_count;  /* at most CAFI_CHART_MAX_SERIES */
    double width, height; /* in points (1/72 inch); 0 for 640 and 400 */
    /* A second panel under it, or NULL: as wide, with an axis y of its own and the same places on
     * x; it has none below itself. Its series go on with the colours. */
    const struct cafi_chart *below;
} cafi_chart;

#define CAFI_CHART_MAX_SERIES 24

/* True when this build can draw. */
bool cafi_plot_available(void);
/* cairo's version, or "none". */
const char *cafi_plot_library(void);

/* Refuses, before any work is done, a picture that could not be written:
 * EINVAL when path ends neither in .png nor .svg nor .pdf, EUNSUPPORTED when
 * this build has no cairo. */
caface_status cafi_plot_check(const char *path, caface_error *err);

/* Draws the chart onto path; its suffix chooses PNG (two pixels a point), SVG
 * or PDF. Each curve is labelled at its end, in its own colour, which for
 * a fusion method is the same in every chart (plot/colour.h). A curve of
 * millions of points is thinned to what the resolution can show. The file
 * appears whole or not at all. EINVAL: no series, too many, no point that can
 * be shown, a suffix as above. EIO: path can't be written. EUNSUPPORTED: no
 * cairo. Any thread. */
caface_status cafi_chart_save(const cafi_chart *chart, const char *path, caface_error *err);

#endif
