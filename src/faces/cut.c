#include "faces/cut.h"

#include <math.h>
#include <string.h>

#define CELLS (CAFI_CUT_CELLS * CAFI_CUT_CELLS)
#define BINS (3 * CAFI_CUT_BINS)
/* A cut stands out: so many times the usual change. */
#define STAND_OUT 3.0f
#define RECENT_GAIN 0.2f
/* Frames of one colour that may follow each other and still be a flash; the share
 * of a channel's pixels in its fullest bin that makes one. */
#define MAX_BLANK 8
#define BLANK 0.9f
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

static float difference(const cafi_cut_histogram *a, const cafi_cut_histogram *b)
{
    float change = 0.0f;

    for (size_t cell = 0; cell < CELLS; cell++)
        for (size_t k = 0; k < BINS; k++)
            change += fabsf(a->value[cell][k] - b->value[cell][k]);
    return change / (2.0f * 3.0f * CELLS);
}

/* One colour all over, or nearly. */
static bool is_blank(const cafi_cut_histogram *frame)
{
    float peaks = 0.0f;

    for (size_t cell = 0; cell < CELLS; cell++)
        for (size_t c = 0; c < 3; c++) {
            float most = 0.0f;

            for (size_t b = 0; b < CAFI_CUT_BINS; b++)
                most = fmaxf(most, frame->value[cell][c * CAFI_CUT_BINS + b]);
            peaks += most;
        }
    return peaks >= BLANK * 3.0f * CELLS;
}

static cafi_shot resolve(cafi_cut_detector *d, const cafi_cut_histogram *frame, float threshold)
{
    float limit = fmaxf(threshold, STAND_OUT * d->recent);
    bool other = difference(frame, &d->before) > limit;

    if (other && is_blank(frame) && d->doubt < MAX_BLANK) {
        d->doubt++;
        return CAFI_SHOT_DOUBT;
    }
    d->doubt = 0;
    if (!other)
        return CAFI_SHOT_GOES_ON;
    /* a third picture: the frame in doubt was a shot of its own */
    return d->change > limit ? CAFI_SHOT_BEGINS : CAFI_SHOT_BEGAN;
}

cafi_shot cafi_cut_step(cafi_cut_detector *d, const cafi_cut_histogram *frame, float threshold)
{
    cafi_shot shot = CAFI_SHOT_GOES_ON;

    d->change = d->started ? difference(frame, &d->last) : 0.0f;
    if (d->doubt)
        shot = resolve(d, frame, threshold);
    else if (d->change > threshold && d->change > STAND_OUT * d->recent) {
        shot = CAFI_SHOT_DOUBT;
        d->before = d->last;
        d->doubt = 1;
    } else
        d->recent += RECENT_GAIN * (d->change - d->recent);
    d->started = true;
    d->last = *frame;
    return shot;
}
