#include "plot/colour.h"

const cafi_colour cafi_paper = {1.0, 1.0, 1.0};
const cafi_colour cafi_ink = {0.13, 0.15, 0.19};
const cafi_colour cafi_grey = {0.42, 0.45, 0.50};
const cafi_colour cafi_rule = {0.90, 0.91, 0.93};

static const cafi_colour series[CAFI_SERIES_COLOURS] = {
    {0.000, 0.447, 0.698}, /* blue */
    {0.902, 0.624, 0.000}, /* orange */
    {0.000, 0.620, 0.451}, /* bluish green */
    {0.835, 0.369, 0.000}, /* vermilion */
    {0.337, 0.706, 0.914}, /* sky blue */
    {0.800, 0.475, 0.655}, /* reddish purple */
    {0.300, 0.320, 0.360}, /* dark grey, in black's place */
};

/* Pale sea green to deep indigo. */
static const cafi_colour ramp[] = {
    {0.820, 0.902, 0.882}, {0.604, 0.827, 0.800}, {0.353, 0.718, 0.745}, {0.208, 0.584, 0.690},
    {0.173, 0.443, 0.620}, {0.184, 0.302, 0.525}, {0.180, 0.176, 0.400}, {0.118, 0.067, 0.243},
};

cafi_colour cafi_series_colour(size_t n)
{
    return series[n % CAFI_SERIES_COLOURS];
}

cafi_colour cafi_ramp_colour(double t)
{
    const size_t last = sizeof ramp / sizeof ramp[0] - 1;
    double place = 0;
    size_t i = 0;

    if (!(t > 0))
        return ramp[0];
    if (t >= 1)
        return ramp[last];
    place = t * (double)last;
    i = (size_t)place;
    place -= (double)i;
    return (cafi_colour){ramp[i].r + place * (ramp[i + 1].r - ramp[i].r),
                         ramp[i].g + place * (ramp[i + 1].g - ramp[i].g),
                         ramp[i].b + place * (ramp[i + 1].b - ramp[i].b)};
}
