#include "plot/chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plot/axis.h"
#include "plot/canvas.h"

#define EDGE 18.0      /* from the page's edge to the first ink */
#define LABEL_GAP 15.0 /* baselines of two end labels */
#define LEADER 26.0    /* from the plot's edge to an end label */
#define NAME_SIZE 128

static const cafi_font title_font = {15, true, {0.13, 0.15, 0.19}, false};
static const cafi_font subtitle_font = {11, false, {0.42, 0.45, 0.50}, false};
static const cafi_font label_font = {11, false, {0.13, 0.15, 0.19}, false};
static const cafi_font tick_font = {10, false, {0.42, 0.45, 0.50}, false};
static const cafi_font name_font = {11, true, {0.13, 0.15, 0.19}, false};

typedef struct range {
    double min, max;
} range;

/* Where everything stands. */
typedef struct layout {
    const cafi_chart *chart;
    cafi_canvas *canvas;
    double width, height;
    double left, right, top, bottom;      /* of the plot area */
    size_t colour[CAFI_CHART_MAX_SERIES]; /* of each series: its number among the colours */
    cafi_axis x, y;
    char names[CAFI_CHART_MAX_SERIES][NAME_SIZE];
} layout;

/* `first`: the number of colours that the panel above has taken. */
static void choose_colours(layout *l, size_t first)
{
    const char *names[CAFI_CHART_MAX_SERIES];

    for (size_t k = 0; k < l->chart->series_count; k++)
        names[k] = l->chart->series[k].name;
    cafi_series_colours(l->colour, names, l->chart->series_count, first);
}

static bool shown(const cafi_chart *c, const cafi_chart_series *s, size_t i)
{
    return cafi_axis_shows(c->x.scale, s->x[i]) && cafi_axis_shows(c->y.scale, s->y[i]);
}

static void widen(range *r, double value)
{
    r->min = fmin(r->min, value);
    r->max = fmax(r->max, value);
}

/* The range of what can be shown; false when nothing can. With limits on x,
 * only what lies between them decides about y. */
static bool data_range(const cafi_chart *c, range *x, range *y)
{
    bool limited = c->x.max > c->x.min;

    *x = *y = (range){INFINITY, -INFINITY};
    for (size_t k = 0; k < c->series_count; k++) {
        const cafi_chart_series *s = &c->series[k];
        for (size_t i = 0; i < s->count; i++) {
            if (!shown(c, s, i) || (limited && (s->x[i] < c->x.min || s->x[i] > c->x.max)))
                continue;
            widen(x, s->x[i]);
            widen(y, s->y[i]);
            if (s->low && cafi_axis_shows(c->y.scale, s->low[i]))
                widen(y, s->low[i]);
            if (s->high && cafi_axis_shows(c->y.scale, s->high[i]))
                widen(y, s->high[i]);
        }
    }
    return x->max >= x->min;
}

static double widest_tick(const layout *l, const cafi_axis *axis)
{
    double widest = 0;

    for (size_t i = 0; i < axis->tick_count; i++)
        widest = fmax(widest, cafi_canvas_text_width(l->canvas, &tick_font, axis->text[i]));
    return widest;
}

static void place_all(layout *l, const range *x, const range *y)
{
    const cafi_chart *c = l->chart;
    double names = 0;

    l->top = EDGE + (c->title ? 20 : 0) + (c->subtitle ? 16 : 0) + (c->y.label ? 25 : 4);
    l->bottom = l->height - EDGE - 16 - (c->x.label ? 20 : 0);
    for (size_t k = 0; k < c->series_count; k++) {
        const char *name = c->series[k].name ? c->series[k].name : "";
        cafi_canvas_fit(l->canvas, &name_font, 0.34 * l->width, name, l->names[k], NAME_SIZE);
        names = fmax(names, cafi_canvas_text_width(l->canvas, &name_font, l->names[k]));
    }
    l->right = l->width - EDGE - (names > 0 ? names + LEADER : 0);
    cafi_axis_fit(&l->y, &c->y, y->min, y->max, l->bottom, l->top, 34);
    l->left = EDGE + widest_tick(l, &l->y) + 8;
    cafi_axis_fit(&l->x, &c->x, x->min, x->max, l->left, l->right, 46);
}

static void draw_grid(const layout *l)
{
    cairo_t *cr = cafi_canvas_cairo(l->canvas);

    cairo_set_line_width(cr, 0.8);
    for (size_t i = 0; i < l->y.tick_count; i++) {
        double y = cafi_axis_place(&l->y, l->y.tick[i]);
        cafi_canvas_colour(l->canvas, cafi_rule, 1);
        cafi_canvas_line(l->canvas, l->left, y, l->right, y);
        cafi_canvas_text(l->canvas, &tick_font, CAFI_RIGHT, l->left - 8, y + 3.5, l->y.text[i]);
    }
    for (size_t i = 0; i < l->x.tick_count; i++) {
        double x = cafi_axis_place(&l->x, l->x.tick[i]);
        cafi_canvas_colour(l->canvas, cafi_rule, 1);
        cafi_canvas_line(l->canvas, x, l->top, x, l->bottom);
        cafi_canvas_colour(l->canvas, cafi_grey, 1);
        cafi_canvas_line(l->canvas, x, l->bottom, x, l->bottom + 4);
        cafi_canvas_text(l->canvas, &tick_font, CAFI_CENTRE, x, l->bottom + 16, l->x.text[i]);
    }
    cafi_canvas_colour(l->canvas, cafi_grey, 1);
    cairo_set_line_width(cr, 1);
    cafi_canvas_line(l->canvas, l->left, l->bottom, l->right, l->bottom);
}

/* One line of text that ends where the page does. */
static void draw_fitted(const layout *l, const cafi_font *font, double y, const char *text)
{
    char fitted[256];

    cafi_canvas_fit(l->canvas, font, l->width - 2 * EDGE, text, fitted, sizeof fitted);
    cafi_canvas_text(l->canvas, font, CAFI_LEFT, EDGE, y, fitted);
}

static void draw_texts(const layout *l)
{
    const cafi_chart *c = l->chart;
    double y = EDGE + 11;

    if (c->title) {
        draw_fitted(l, &title_font, y, c->title);
        y += 18;
    }
    if (c->subtitle)
        draw_fitted(l, &subtitle_font, y, c->subtitle);
    if (c->y.label)
        draw_fitted(l, &label_font, l->top - 12, c->y.label);
    if (c->x.label)
        cafi_canvas_text(l->canvas, &label_font, CAFI_CENTRE, (l->left + l->right) / 2,
                         l->height - EDGE, c->x.label);
}

/* A run of points that fall into one column of half a point: only its first,
 * lowest, highest and last can be told apart on the page. */
typedef struct column {
    long number;
    size_t first, low, high, last;
} column;

static void line_through(const layout *l, const cafi_chart_series *s, size_t i, bool *pen_down)
{
    cairo_t *cr = cafi_canvas_cairo(l->canvas);
    double x = cafi_axis_place(&l->x, s->x[i]);
    double y = cafi_axis_place(&l->y, s->y[i]);

    if (*pen_down)
        cairo_line_to(cr, x, y);
    else
        cairo_move_to(cr, x, y);
    *pen_down = true;
}

static void line_through_column(const layout *l, const cafi_chart_series *s, const column *c,
                                bool *pen_down)
{
    size_t inner[2] = {c->low < c->high ? c->low : c->high, c->low < c->high ? c->high : c->low};

    line_through(l, s, c->first, pen_down);
    for (int k = 0; k < 2; k++)
        if (inner[k] > c->first && inner[k] < c->last)
            line_through(l, s, inner[k], pen_down);
    if (c->last > c->first)
        line_through(l, s, c->last, pen_down);
}

static void trace_curve(const layout *l, const cafi_chart_series *s)
{
    bool pen_down = false;
    bool open = false;
    column c = {0};

    for (size_t i = 0; i < s->count; i++) {
        long number = 0;
        if (!shown(l->chart, s, i)) {
            if (open)
                line_through_column(l, s, &c, &pen_down);
            open = pen_down = false;
            continue;
        }
        number = lround(2 * cafi_axis_place(&l->x, s->x[i]));
        if (open && number == c.number) {
            c.low = s->y[i] < s->y[c.low] ? i : c.low;
            c.high = s->y[i] > s->y[c.high] ? i : c.high;
            c.last = i;
            continue;
        }
        if (open)
            line_through_column(l, s, &c, &pen_down);
        c = (column){number, i, i, i, i};
        open = true;
    }
    if (open)
        line_through_column(l, s, &c, &pen_down);
}

static void fill_band(const layout *l, const cafi_chart_series *s, cafi_colour colour)
{
    cairo_t *cr = cafi_canvas_cairo(l->canvas);
    bool begun = false;

    for (size_t n = 0; n < 2 * s->count; n++) {
        size_t i = n < s->count ? n : 2 * s->count - 1 - n;
        double value = n < s->count ? s->low[i] : s->high[i];
        double x = 0, y = 0;
        if (!cafi_axis_shows(l->x.scale, s->x[i]) || !isfinite(value))
            continue;
        x = cafi_axis_place(&l->x, s->x[i]);
        y = cafi_axis_place(&l->y, value);
        if (begun)
            cairo_line_to(cr, x, y);
        else
            cairo_move_to(cr, x, y);
        begun = true;
    }
    cairo_close_path(cr);
    cafi_canvas_colour(l->canvas, colour, 0.16);
    cairo_fill(cr);
}

static void set_dash(cairo_t *cr, size_t series)
{
    static const double dashes[3][4] = {{1, 0, 0, 0}, {6, 3, 6, 3}, {1.5, 2.5, 1.5, 2.5}};
    size_t round = series / CAFI_SERIES_COLOURS % 4;

    if (round == 0)
        cairo_set_dash(cr, NULL, 0, 0);
    else
        cairo_set_dash(cr, dashes[round % 3], round % 3 ? 4 : 1, 0);
}

static void draw_series(const layout *l)
{
    cairo_t *cr = cafi_canvas_cairo(l->canvas);

    cairo_save(cr);
    cairo_rectangle(cr, l->left, l->top - 2, l->right - l->left + 1, l->bottom - l->top + 3);
    cairo_clip(cr);
    for (size_t k = 0; k < l->chart->series_count; k++)
        if (l->chart->series[k].low && l->chart->series[k].high)
            fill_band(l, &l->chart->series[k], cafi_series_colour(l->colour[k]));
    for (size_t k = 0; k < l->chart->series_count; k++) {
        const cafi_chart_series *s = &l->chart->series[k];
        trace_curve(l, s);
        cafi_canvas_colour(l->canvas, cafi_series_colour(l->colour[k]), 1);
        set_dash(cr, l->colour[k]);
        cairo_set_line_width(cr, 2);
        cairo_stroke(cr);
        cairo_set_dash(cr, NULL, 0, 0);
    }
    cairo_restore(cr);
}

/* Whole dots, also on the rim of the plot. */
static void draw_markers(const layout *l)
{
    cairo_t *cr = cafi_canvas_cairo(l->canvas);

    for (size_t k = 0; k < l->chart->series_count; k++) {
        const cafi_chart_series *s = &l->chart->series[k];
        cafi_canvas_colour(l->canvas, cafi_series_colour(l->colour[k]), 1);
        for (size_t i = 0; s->markers && i < s->count; i++) {
            double x = 0, y = 0;
            if (!shown(l->chart, s, i))
                continue;
            x = cafi_axis_place(&l->x, s->x[i]);
            y = cafi_axis_place(&l->y, s->y[i]);
            if (x < l->left - 1 || x > l->right + 1 || y < l->top - 1 || y > l->bottom + 1)
                continue;
            cairo_arc(cr, x, y, 3, 0, 2 * acos(-1));
            cairo_fill(cr);
        }
    }
}

/* One curve's end on the page, to be labelled. */
typedef struct ending {
    size_t series;
    double x, y; /* the last point inside the plot */
    double tie;  /* decides the order of equal ends: the curve's mean height */
} ending;

static int by_height(const void *a, const void *b)
{
    const ending *p = a, *q = b;

    if (fabs(p->y - q->y) > 0.5)
        return p->y < q->y ? -1 : 1;
    if (p->tie < q->tie || p->tie > q->tie)
        return p->tie < q->tie ? -1 : 1;
    return p->series < q->series ? -1 : 1;
}

static bool find_ending(const layout *l, size_t k, ending *e)
{
    const cafi_chart_series *s = &l->chart->series[k];
    double sum = 0;
    size_t n = 0;

    for (size_t i = 0; i < s->count; i++) {
        double x = 0;
        if (!shown(l->chart, s, i))
            continue;
        x = cafi_axis_place(&l->x, s->x[i]);
        if (x < l->left - 0.5 || x > l->right + 0.5)
            continue;
        e->x = x;
        e->y = fmin(fmax(cafi_axis_place(&l->y, s->y[i]), l->top), l->bottom);
        sum += e->y;
        n++;
    }
    e->series = k;
    e->tie = n ? sum / (double)n : 0;
    return n > 0;
}

/* Names beside the curves' ends, moved apart, with a thin leader each. */
static void draw_names(const layout *l)
{
    cairo_t *cr = cafi_canvas_cairo(l->canvas);
    ending ends[CAFI_CHART_MAX_SERIES] = {{0}};
    double place[CAFI_CHART_MAX_SERIES];
    size_t n = 0;

    for (size_t k = 0; k < l->chart->series_count; k++)
        if (l->names[k][0] && find_ending(l, k, &ends[n]))
            n++;
    qsort(ends, n, sizeof ends[0], by_height);
    for (size_t i = 0; i < n; i++)
        place[i] = ends[i].y;
    cafi_spread(place, n, LABEL_GAP, l->top + 4, l->bottom - 4);
    for (size_t i = 0; i < n; i++) {
        cafi_font font = name_font;
        double x = l->right + LEADER - 6;

        font.colour = cafi_series_colour(l->colour[ends[i].series]);
        cafi_canvas_colour(l->canvas, font.colour, 0.75);
        cairo_set_line_width(cr, 1);
        cairo_move_to(cr, ends[i].x + 2, ends[i].y);
        if (ends[i].x < l->right)
            cairo_line_to(cr, l->right + 2, ends[i].y);
        cairo_line_to(cr, x - 6, place[i]);
        cairo_line_to(cr, x, place[i]);
        set_dash(cr, l->colour[ends[i].series]);
        cairo_stroke(cr);
        cairo_set_dash(cr, NULL, 0, 0);
        cafi_canvas_text(l->canvas, &font, CAFI_LEFT, x + 4, place[i] + 4,
                         l->names[ends[i].series]);
    }
}

static void draw_panel(const layout *l)
{
    draw_grid(l);
    draw_texts(l);
    draw_series(l);
    draw_markers(l);
    draw_names(l);
}

/* Both panels begin and end at one x. */
static void align_panels(layout *above, layout *below)
{
    layout *both[] = {above, below};
    double left = fmax(above->left, below->left), right = fmin(above->right, below->right);

    for (int i = 0; i < 2; i++) {
        layout *l = both[i];

        l->left = left;
        l->right = right;
        cafi_axis_fit(&l->x, &l->chart->x, above->x.min, above->x.max, left, right, 46);
    }
}

static caface_status open_panel(layout **out, const cafi_chart *chart, range *x, range *y,
                                const char *path, caface_error *err)
{
    layout *l = NULL;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (chart->series_count > CAFI_CHART_MAX_SERIES)
        return cafi_fail(err, CAFACE_EINVAL, "%s: %zu curves, a chart has room for %d", path,
                         chart->series_count, CAFI_CHART_MAX_SERIES);
    if (!data_range(chart, x, y))
        return cafi_fail(err, CAFACE_EINVAL, "%s: no point to draw in %zu curves", path,
                         chart->series_count);
    if ((st = CAFI_NEW(&l, 1, err)))
        return st;
    l->chart = chart;
    choose_colours(l, 0);
    l->width = chart->width > 0 ? chart->width : 640;
    l->height = chart->height > 0 ? chart->height : 400;
    *out = l;
    return CAFACE_OK;
}

/* Draws one panel, and another below it when there is one. */
static caface_status save_panels(layout *above, const range *first, layout *below,
                                 const range *second, const char *path, caface_error *err)
{
    double height = above->height + (below ? below->height : 0);
    caface_status st = cafi_canvas_open(&above->canvas, path, above->width, height, err);

    if (st)
        return st;
    place_all(above, &first[0], &first[1]);
    if (below) {
        below->canvas = above->canvas;
        below->width = above->width;
        choose_colours(below, above->chart->series_count);
        place_all(below, &second[0], &second[1]);
        align_panels(above, below);
    }
    draw_panel(above);
    if (below) {
        cairo_t *cr = cafi_canvas_cairo(above->canvas);

        cairo_save(cr);
        cairo_translate(cr, 0, above->height);
        draw_panel(below);
        cairo_restore(cr);
    }
    return cafi_canvas_commit(above->canvas, err);
}

caface_status cafi_chart_save(const cafi_chart *chart, const char *path, caface_error *err)
{
    layout *above = NULL, *below = NULL;
    range first[2], second[2]; /* of x and y */
    caface_status st = cafi_plot_check(path, err);

    if (!st)
        st = open_panel(&above, chart, &first[0], &first[1], path, err);
    if (!st && chart->below)
        st = open_panel(&below, chart->below, &second[0], &second[1], path, err);
    if (!st)
        st = save_panels(above, first, below, second, path, err);
    free(above);
    free(below);
    return st;
}
