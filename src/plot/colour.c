#include "plot/colour.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

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

/* The colour of the method that a name begins with, or SIZE_MAX. */
static size_t method_colour(const char *name)
{
    static const struct {
        const char *method;
        size_t colour;
    } own[] = {{"caface", 0}, {"unit", 1},    {"average", 2},
               {"norm", 3},   {"restore", 5}, {"media", 6}};

    for (size_t i = 0; name && i < sizeof own / sizeof *own; i++) {
        size_t length = strlen(own[i].method);

        if (cafi_strncasecmp(name, own[i].method, length) == 0 &&
            !isalpha((unsigned char)name[length]))
            return own[i].colour;
    }
    return SIZE_MAX;
}

static bool is_taken(const size_t *number, size_t n, size_t colour)
{
    for (size_t i = 0; i < n; i++)
        if (number[i] == colour)
            return true;
    return false;
}

void cafi_series_colours(size_t *number, const char *const *names, size_t n, size_t first)
{
    for (size_t k = 0; k < n; k++) {
        size_t own = method_colour(names[k]);

        number[k] = is_taken(number, k, own) ? SIZE_MAX : own;
    }
    for (size_t k = 0; k < n; k++)
        if (number[k] == SIZE_MAX) {
            while (is_taken(number, n, first))
                first++;
            number[k] = first;
        }
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
