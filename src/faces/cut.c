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
/* The same scene under other light: brighter everywhere, but for this share of the pixels, and one
 * tone curve for the whole picture explains all but this part of how its cells differ. Flashes of 2
 * to 30 times the light, even or falling off, on photographs and frames leave 0.02 to 0.32; of
 * pairs of unrelated ones of which one is brighter everywhere, 95 % leave 0.79 and more, the least
 * of 590 leaves 0.38. A picture whose cells differ by less than the third says nothing. */
#define MOST_DARKER 0.05f
#define UNEXPLAINED 0.45f
#define LEAST_LAYOUT 0.003f
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

/* ---- the same scene under other light -------------------------------------- */

/* A channel of all cells together. */
static void overall(float out[CAFI_CUT_BINS], const cafi_cut_histogram *frame, size_t channel)
{
    memset(out, 0, CAFI_CUT_BINS * sizeof *out);
    for (size_t cell = 0; cell < CELLS; cell++)
        for (size_t b = 0; b < CAFI_CUT_BINS; b++)
            out[b] += frame->value[cell][channel * CAFI_CUT_BINS + b] / CELLS;
}

/* The tone curve that takes all of `from` to all of `to` and keeps the order of brightness, as
 * shares: what of a bin comes to lie in which. */
static void tone_curve(float curve[CAFI_CUT_BINS][CAFI_CUT_BINS], const cafi_cut_histogram *from,
                       const cafi_cut_histogram *to, size_t channel)
{
    float p[CAFI_CUT_BINS], q[CAFI_CUT_BINS];
    size_t i = 0, j = 0;
    float left = 0.0f, room = 0.0f;

    overall(p, from, channel);
    overall(q, to, channel);
    memset(curve, 0, CAFI_CUT_BINS * sizeof *curve);
    for (left = p[0], room = q[0]; i < CAFI_CUT_BINS && j < CAFI_CUT_BINS;) {
        float part = fminf(left, room);

        curve[i][j] += p[i] > 0.0f ? part / p[i] : 0.0f;
        left -= part;
        room -= part;
        if (left <= 0.0f)
            left = ++i < CAFI_CUT_BINS ? p[i] : 0.0f;
        else
            room = ++j < CAFI_CUT_BINS ? q[j] : 0.0f;
    }
}

/* How far brightness would have to be moved to make one frame of the other, cell by cell, as a part
 * of the range: a tone that falls into the next bin is near. */
static float distance(const cafi_cut_histogram *a, const cafi_cut_histogram *b)
{
    float sum = 0.0f;

    for (size_t cell = 0; cell < CELLS; cell++)
        for (size_t c = 0; c < 3; c++) {
            float below = 0.0f;

            for (size_t k = 0; k < CAFI_CUT_BINS; k++) {
                size_t at = c * CAFI_CUT_BINS + k;

                below += a->value[cell][at] - b->value[cell][at];
                sum += fabsf(below);
            }
        }
    return sum / (3.0f * CELLS * CAFI_CUT_BINS);
}

/* How much of a frame one tone curve for the whole picture does not explain from another frame. */
static float unexplained(const cafi_cut_histogram *from, const cafi_cut_histogram *to)
{
    float curve[CAFI_CUT_BINS][CAFI_CUT_BINS];
    cafi_cut_histogram lit = {0};

    for (size_t c = 0; c < 3; c++) {
        tone_curve(curve, from, to, c);
        for (size_t cell = 0; cell < CELLS; cell++)
            for (size_t i = 0; i < CAFI_CUT_BINS; i++)
                for (size_t j = 0; j < CAFI_CUT_BINS; j++)
                    lit.value[cell][c * CAFI_CUT_BINS + j] +=
                        from->value[cell][c * CAFI_CUT_BINS + i] * curve[i][j];
    }
    return distance(&lit, to);
}

/* How much a frame's cells differ from the whole of it: what there is to explain. */
static float layout(const cafi_cut_histogram *frame)
{
    cafi_cut_histogram even = {0};

    for (size_t c = 0; c < 3; c++)
        for (size_t cell = 0; cell < CELLS; cell++)
            overall(even.value[cell] + c * CAFI_CUT_BINS, frame, c);
    return distance(frame, &even);
}

/* How far the second of two frames is from being as bright as the first or brighter in every
 * cell, 0..1. */
static float darker(const cafi_cut_histogram *a, const cafi_cut_histogram *b)
{
    float sum = 0.0f;

    for (size_t cell = 0; cell < CELLS; cell++)
        for (size_t c = 0; c < 3; c++) {
            float below = 0.0f, most = 0.0f;

            for (size_t k = 0; k < CAFI_CUT_BINS; k++) {
                size_t at = c * CAFI_CUT_BINS + k;

                below += b->value[cell][at] - a->value[cell][at];
                most = fmaxf(most, below);
            }
            sum += most;
        }
    return sum / (3.0f * CELLS);
}

/* From the darker of two frames to the brighter: what is overexposed has lost its tones, so
 * that there is no way back. */
static bool is_lit(const cafi_cut_histogram *dark, const cafi_cut_histogram *bright)
{
    float there = layout(bright);

    return there >= LEAST_LAYOUT && darker(dark, bright) <= MOST_DARKER &&
           unexplained(dark, bright) <= UNEXPLAINED * there;
}

/* A flash, a lamp, a camera that finds its exposure. */
static bool is_other_light(const cafi_cut_histogram *a, const cafi_cut_histogram *b)
{
    return is_lit(a, b) || is_lit(b, a);
}

static cafi_shot resolve(cafi_cut_detector *d, const cafi_cut_histogram *frame, float threshold)
{
    float limit = fmaxf(threshold, STAND_OUT * d->recent);
    bool other = difference(frame, &d->before) > limit && !is_other_light(frame, &d->before);

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
        if (!is_other_light(frame, &d->last)) {
            shot = CAFI_SHOT_DOUBT;
            d->before = d->last;
            d->doubt = 1;
        }
    } else
        d->recent += RECENT_GAIN * (d->change - d->recent);
    d->started = true;
    d->last = *frame;
    return shot;
}
