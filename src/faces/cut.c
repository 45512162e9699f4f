#include "faces/cut.h"

#include <math.h>
#include <string.h>

#define CELLS (CAFI_CUT_CELLS * CAFI_CUT_CELLS)
#define BINS (3 * CAFI_CUT_BINS)
/* A cut stands out: so many times the usual change. */
#define STAND_OUT 3.0f
#define RECENT_GAIN 0.2f
/* About so many pixels are looked at, whatever the size. */
#define SAMPLES 20000

void cafi_cut_measure(cafi_cut_histogram *out, const cafi_view *picture)
{
    float(*histogram)[BINS] = out->value;
    double pixels = (double)picture->width * (double)picture->height;
    size_t step = (size_t)fmax(1.0, sqrt(pixels / SAMPLES));
    size_t seen[CELLS] = {0};

    memset(out, 0, sizeof *out);
    for (size_t y = 0; y < picture->height; y += step)
        for (size_t x = 0; x < picture->width; x += step) {
            const uint8_t *p = picture->rgb + (y * picture->width + x) * 3;
            size_t cell = y * CAFI_CUT_CELLS / picture->height * CAFI_CUT_CELLS +
                          x * CAFI_CUT_CELLS / picture->width;

            for (size_t c = 0; c < 3; c++)
                histogram[cell][c * CAFI_CUT_BINS + p[c] * CAFI_CUT_BINS / 256] += 1.0f;
            seen[cell]++;
        }
    for (size_t cell = 0; cell < CELLS; cell++)
        for (size_t b = 0; seen[cell] && b < BINS; b++)
            histogram[cell][b] /= (float)seen[cell];
}

bool cafi_cut_step(cafi_cut_detector *d, const cafi_cut_histogram *frame, float threshold)
{
    float change = 0.0f;
    bool cut = false;

    if (d->started) {
        for (size_t cell = 0; cell < CELLS; cell++)
            for (size_t b = 0; b < BINS; b++)
                change += fabsf(frame->value[cell][b] - d->last.value[cell][b]);
        change /= 2.0f * 3.0f * CELLS;
        cut = change > threshold && change > STAND_OUT * d->recent;
    }
    d->change = change;
    if (!cut)
        d->recent += RECENT_GAIN * (change - d->recent);
    d->started = true;
    d->last = *frame;
    return cut;
}
