#include "plot/axis.h"

#include <math.h>
#include <stdio.h>

#include "base/text.h"

bool cafi_axis_shows(cafi_scale scale, double value)
{
    return isfinite(value) && (scale == CAFI_SCALE_LINEAR || value > 0);
}

/* 1, 2 or 5 times a power of ten, at least least. */
static double round_step(double least, bool whole)
{
    double power = pow(10, floor(log10(least)));
    double step = least <= power       ? power
                  : least <= 2 * power ? 2 * power
                  : least <= 5 * power ? 5 * power
                                       : 10 * power;

    return whole && step < 1 ? 1 : step;
}

static void linear_text(cafi_axis *axis, size_t i, double step, bool percent)
{
    double shown = percent ? 100 * axis->tick[i] : axis->tick[i];
    double shown_step = percent ? 100 * step : step;
    int digits = (int)fmax(0, -floor(log10(shown_step) + 1e-9));

    if (fabs(shown) < 1e-9 * shown_step)
        shown = 0; /* no "-0" */
    if (digits > 9 || fabs(shown) >= 1e9)
        cafi_format(axis->text[i], sizeof axis->text[i], "%.3g%s", shown, percent ? " %" : "");
    else
        cafi_format(axis->text[i], sizeof axis->text[i], "%s%.*f%s", shown < 0 ? CAFI_MINUS : "",
                    digits, fabs(shown), percent ? " %" : "");
}

/* Of a step, between a first tick that is no multiple of it and the next. */
#define LEAST_GAP 0.4

/* Whole numbers (epochs, ranks) begin and end with the data, and with a tick: the
 * first rank is the one that everybody looks for. */
static void fit_linear(cafi_axis *axis, const cafi_chart_axis *spec, bool automatic,
                       size_t most_ticks)
{
    double range = 0, step = 0;

    if (!(axis->max > axis->min)) {
        double pad = fmax(fabs(axis->min) * 0.1, 1e-3);
        axis->max = axis->min + (spec->whole ? 1 : pad);
        axis->min -= spec->whole ? 1 : pad;
    }
    range = axis->max - axis->min;
    step = round_step(range / (double)most_ticks, spec->whole);
    if (automatic && !spec->whole) {
        double rounded = floor(axis->min / step + 1e-9) * step;
        if (rounded > 0 || axis->scale == CAFI_SCALE_LINEAR)
            axis->min = rounded;
        axis->max = ceil(axis->max / step - 1e-9) * step;
    }
    if (spec->whole && (ceil(axis->min / step - 1e-9) - axis->min / step) >= LEAST_GAP) {
        axis->tick[axis->tick_count++] = axis->min;
        linear_text(axis, 0, step, spec->percent);
    }
    for (double n = ceil(axis->min / step - 1e-9); axis->tick_count < CAFI_AXIS_MAX_TICKS; n++) {
        if (n * step > axis->max + 1e-9 * step)
            break;
        axis->tick[axis->tick_count++] = n * step;
        linear_text(axis, axis->tick_count - 1, step, spec->percent);
    }
}

/* Plain where all ticks lie in 0.01 to 100, else a power of ten. */
static void log_text(cafi_axis *axis, size_t i, bool plain)
{
    double exponent = floor(log10(axis->tick[i]) + 1e-9);

    if (plain)
        cafi_format(axis->text[i], sizeof axis->text[i], "%g", axis->tick[i]);
    else if (exponent == 0)
        snprintf(axis->text[i], sizeof axis->text[i], "1");
    else
        cafi_format(axis->text[i], sizeof axis->text[i], "10^%s%.0f",
                    exponent < 0 ? CAFI_MINUS : "", fabs(exponent));
}

static void add_log_tick(cafi_axis *axis, double value)
{
    if (axis->tick_count < CAFI_AXIS_MAX_TICKS && value >= axis->min * (1 - 1e-9) &&
        value <= axis->max * (1 + 1e-9))
        axis->tick[axis->tick_count++] = value;
}

static void fit_log(cafi_axis *axis, bool automatic, size_t most_ticks)
{
    double first = 0, last = 0, skip = 0;
    bool plain = false;

    if (!(axis->max > axis->min)) {
        axis->max *= 10;
        axis->min /= 10;
    }
    first = floor(log10(axis->min) + 1e-9);
    last = ceil(log10(axis->max) - 1e-9);
    if (automatic && last - first > 1) {
        axis->min = pow(10, first);
        axis->max = pow(10, last);
    }
    plain = axis->min >= 0.00999 && axis->max <= 100.1;
    skip = fmax(1, ceil((last - first) / (double)most_ticks));
    for (double e = first; e <= last; e += skip) {
        add_log_tick(axis, pow(10, e));
        if (plain && last - first <= 2 && most_ticks >= 6) {
            add_log_tick(axis, 2 * pow(10, e));
            add_log_tick(axis, 5 * pow(10, e));
        }
    }
    for (size_t i = 0; i < axis->tick_count; i++)
        log_text(axis, i, plain);
}

void cafi_axis_fit(cafi_axis *axis, const cafi_chart_axis *spec, double data_min, double data_max,
                   double from, double to, double spacing)
{
    bool automatic = !(spec->max > spec->min);
    size_t most_ticks = (size_t)fmin(fmax(fabs(to - from) / spacing, 2), CAFI_AXIS_MAX_TICKS - 2);

    *axis = (cafi_axis){.scale = spec->scale,
                        .min = automatic ? data_min : spec->min,
                        .max = automatic ? data_max : spec->max,
                        .from = from,
                        .to = to};
    /* Within a decade or so, even steps make better ticks than powers of ten. */
    if (spec->scale == CAFI_SCALE_LOG && !(axis->max > axis->min && axis->max < 20 * axis->min))
        fit_log(axis, automatic, most_ticks);
    else
        fit_linear(axis, spec, automatic, most_ticks);
}

double cafi_axis_place(const cafi_axis *axis, double value)
{
    double t = 0;

    if (axis->scale == CAFI_SCALE_LOG)
        t = value > 0 ? log(value / axis->min) / log(axis->max / axis->min) : 0;
    else
        t = (value - axis->min) / (axis->max - axis->min);
    /* Far outside is as good as just outside, and safe for cairo's fixed point. */
    t = fmin(fmax(t, -4), 5);
    return axis->from + t * (axis->to - axis->from);
}
