/* The colours of every picture: legible on white, and for colour-blind eyes. */
#ifndef CAFI_PLOT_COLOUR_H
#define CAFI_PLOT_COLOUR_H

#include <stddef.h>

typedef struct cafi_colour {
    double r, g, b; /* sRGB, 0..1 */
} cafi_colour;

extern const cafi_colour cafi_paper; /* background */
extern const cafi_colour cafi_ink;   /* titles, labels */
extern const cafi_colour cafi_grey;  /* ticks, secondary text */
extern const cafi_colour cafi_rule;  /* grid */

/* The colour of the n-th series: seven after Okabe and Ito (2008), ordered so
 * that neighbours differ in lightness too; then again from the start, where the
 * caller draws dashes. */
#define CAFI_SERIES_COLOURS 7
cafi_colour cafi_series_colour(size_t n);
/* Numbers of colours for n series, written to number [n]: the first series of a fusion method has
 * that method's colour, the same in every picture ("norm:7", "norm, p = 7" and "Norm" are all
 * norm); the others get the first free ones from `first` on. A name may be NULL. */
void cafi_series_colours(size_t *number, const char *const *names, size_t n, size_t first);

/* A sequential map for t in 0..1 (clamped), light to dark, lightness falling
 * all the way, so that it survives grey printing. */
cafi_colour cafi_ramp_colour(double t);

#endif
