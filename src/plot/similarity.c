#include "plot/similarity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "plot/axis.h"
#include "plot/canvas.h"

#define EDGE 18.0
#define LANE 24.0     /* height of the lane of one star and its label */
#define STAR_SIZE 8.5 /* outer radius of a star */
#define DOT_SIZE 3.6  /* radius of a dot where there are few */
#define FEW_DOTS 1500.0
#define BAR_WIDTH 11.0  /* of the colour bar */
#define BAR_SPACE 104.0 /* what the colour bar and its text take on the right */
#define LEGEND_SPACE 168.0
#define NAME_SIZE 96
#define THUMB_SIZE 30.0
#define MAX_THUMBS 48
#define GALLERY_SIZE 96.0 /* of the gallery picture, which is on the right */
#define GALLERY_SPACE 120.0

static const cafi_font title_font = {15, true, {0.13, 0.15, 0.19}, false};
static const cafi_font subtitle_font = {11, false, {0.42, 0.45, 0.50}, false};
static const cafi_font label_font = {11, false, {0.13, 0.15, 0.19}, false};
static const cafi_font tick_font = {10, false, {0.42, 0.45, 0.50}, false};
static const cafi_font star_font = {11, false, {0.13, 0.15, 0.19}, true};
static const cafi_font main_font = {11.5, true, {0.75, 0.29, 0.00}, true};

/* Warm against the dots' cool ramp. */
static const cafi_colour main_colour = {0.878, 0.345, 0.000};
static const cafi_colour other_colour = {0.960, 0.720, 0.200};

typedef struct star_place {
    size_t star; /* its number in the plot */
    double x, left, right;
    cafi_align align;
    size_t lane;
    char text[NAME_SIZE + 16];
} star_place;

typedef struct layout {
    const cafi_similarity *plot;
    const cafi_similarity *first; /* the first panel: all have one axis */
    cafi_canvas *canvas;
    double width, height;
    double left, right, top, bottom; /* of the field of dots */
    double lanes_top;
    double heaviest; /* the greatest weight, in even shares (1 / N) */
    cafi_axis x;
    star_place stars[CAFI_SIMILARITY_MAX_STARS]; /* by ascending x */
    size_t lane_count;
} layout;

static caface_status check(const cafi_similarity *p, const char *path, caface_error *err)
{
    if (p->count == 0)
        return cafi_fail(err, CAFACE_EINVAL, "%s: no face to draw", path);
    if (p->star_count > CAFI_SIMILARITY_MAX_STARS)
        return cafi_fail(err, CAFACE_EINVAL, "%s: %zu methods, the plot has room for %d", path,
                         p->star_count, CAFI_SIMILARITY_MAX_STARS);
    for (size_t i = 0; i < p->count; i++) {
        if (!isfinite(p->similarity[i]))
            return cafi_fail(err, CAFACE_EINVAL, "%s: the similarity of face %zu is not finite",
                             path, i);
        if (p->weight && !(isfinite(p->weight[i]) && p->weight[i] >= 0))
            return cafi_fail(err, CAFACE_EINVAL, "%s: the weight of face %zu is %g", path, i,
                             (double)p->weight[i]);
    }
    for (size_t k = 0; k < p->thumb_count; k++)
        if (p->thumbs[k].face >= p->count || p->thumbs[k].side == 0 || p->thumbs[k].side > 1024)
            return cafi_fail(err, CAFACE_EINVAL, "%s: picture %zu is of face %zu of %zu", path, k,
                             p->thumbs[k].face, p->count);
    for (size_t k = 0; k < p->star_count; k++)
        if (!isfinite(p->stars[k].similarity))
            return cafi_fail(err, CAFACE_EINVAL, "%s: the similarity of %s is not finite", path,
                             p->stars[k].name);
    if (p->has_threshold && !isfinite(p->threshold))
        return cafi_fail(err, CAFACE_EINVAL, "%s: the threshold is not finite", path);
    if (p->gallery && p->gallery->rgb && (p->gallery->side == 0 || p->gallery->side > 1024))
        return cafi_fail(err, CAFACE_EINVAL, "%s: a gallery picture of %zu pixels on a side", path,
                         p->gallery->side);
    if (p->below && p->below->below)
        return cafi_fail(err, CAFACE_EINVAL, "%s: more than two panels", path);
    return p->below ? check(p->below, path, err) : CAFACE_OK;
}

/* A face's weight in even shares: 1 where all faces weigh the same. */
static double share(const cafi_similarity *p, size_t face)
{
    return p->weight ? (double)p->weight[face] * (double)p->count : 1;
}

/* Roots, because a few faces weigh many times the rest. */
static cafi_colour share_colour(const layout *l, double value)
{
    return cafi_ramp_colour(l->plot->weight ? sqrt(value / l->heaviest) : 0.55);
}

static int by_similarity(const void *a, const void *b)
{
    const star_place *p = a, *q = b;

    if (p->x < q->x || p->x > q->x)
        return p->x < q->x ? -1 : 1;
    return p->star < q->star ? -1 : 1;
}

static const cafi_font *font_of(const layout *l, const star_place *s)
{
    return s->star + 1 == l->plot->star_count ? &main_font : &star_font;
}

/* The lane above all the stars and labels that lie in the reach of star k, so
 * that no star's line runs through a label. first..last: those placed before. */
static size_t free_lane(const layout *l, size_t k, size_t first, size_t last)
{
    size_t lane = 0;

    for (size_t j = first; j < last; j++) {
        const star_place *s = &l->stars[j];
        double reach = s->align == l->stars[k].align ? s->x + STAR_SIZE : s->right;
        if (reach + 4 > l->stars[k].left && s->left - 4 < l->stars[k].right && s->lane + 1 > lane)
            lane = s->lane + 1;
    }
    return lane;
}

/* Labels stand left of their star, and lanes rise from left to right; at the
 * left end, where there is no room, it is the other way round. */
static void place_stars(layout *l)
{
    const cafi_similarity *p = l->plot;
    size_t n = p->star_count, turned = 0; /* the first `turned` labels stand on the right */

    for (size_t k = 0; k < n; k++)
        l->stars[k] = (star_place){.star = k, .x = cafi_axis_place(&l->x, p->stars[k].similarity)};
    qsort(l->stars, n, sizeof l->stars[0], by_similarity);
    for (size_t k = 0; k < n; k++) {
        star_place *s = &l->stars[k];
        double similarity = p->stars[s->star].similarity, width = 0;
        char name[NAME_SIZE];

        cafi_canvas_fit(l->canvas, font_of(l, s), 0.4 * (l->right - l->left),
                        p->stars[s->star].name, name, sizeof name);
        cafi_format(s->text, sizeof s->text, "%s  %s%.3f", name, similarity < 0 ? CAFI_MINUS : "",
                    fabs(similarity));
        width = cafi_canvas_text_width(l->canvas, font_of(l, s), s->text) + STAR_SIZE + 5;
        s->left = s->x - width;
        s->right = s->x + width;
        if (s->left < l->left)
            turned = k + 1;
    }
    for (size_t k = 0; k < n; k++) {
        l->stars[k].align = k < turned ? CAFI_LEFT : CAFI_RIGHT;
        *(k < turned ? &l->stars[k].left : &l->stars[k].right) =
            l->stars[k].x + (k < turned ? -STAR_SIZE : STAR_SIZE);
    }
    for (size_t k = turned; k < n; k++)
        l->stars[k].lane = free_lane(l, k, turned, k);
    for (size_t k = turned; k-- > 0;)
        l->stars[k].lane = free_lane(l, k, k + 1, n);
    for (size_t k = 0; k < n; k++)
        l->lane_count = l->stars[k].lane + 1 > l->lane_count ? l->stars[k].lane + 1 : l->lane_count;
}

static void place_all(layout *l)
{
    const cafi_similarity *p = l->plot;
    cafi_chart_axis spec = {.scale = CAFI_SCALE_LINEAR};
    double low = INFINITY, high = -INFINITY;

    for (const cafi_similarity *q = l->first; q; q = q->below) {
        for (size_t i = 0; i < q->count; i++) {
            low = fmin(low, q->similarity[i]);
            high = fmax(high, q->similarity[i]);
        }
        for (size_t k = 0; k < q->star_count; k++) {
            low = fmin(low, q->stars[k].similarity);
            high = fmax(high, q->stars[k].similarity);
        }
    }
    if (p->has_threshold) {
        low = fmin(low, p->threshold);
        high = fmax(high, p->threshold);
    }
    for (size_t i = 0; i < p->count; i++)
        l->heaviest = fmax(l->heaviest, share(p, i));
    l->heaviest = fmax(l->heaviest, 1e-30);
    spec.min = floor(10 * low - 0.2) / 10;
    spec.max = ceil(10 * high + 0.2) / 10;
    l->left = EDGE + 6;
    l->right = l->width - EDGE - (p->weight ? BAR_SPACE : 6) - (p->gallery ? GALLERY_SPACE : 0);
    cafi_axis_fit(&l->x, &spec, low, high, l->left, l->right, 52);
    place_stars(l);
    l->lanes_top = EDGE + (p->title ? 22 : 0) + (p->subtitle ? 18 : 0) + 8;
    l->top = l->lanes_top + (double)l->lane_count * LANE + 6;
    l->bottom = l->height - EDGE - 40;
}

static void draw_axis(const layout *l)
{
    cairo_t *cr = cafi_canvas_cairo(l->canvas);

    for (size_t i = 0; i < l->x.tick_count; i++) {
        double x = cafi_axis_place(&l->x, l->x.tick[i]);
        cairo_set_line_width(cr, 0.8);
        cafi_canvas_colour(l->canvas, cafi_rule, 1);
        cafi_canvas_line(l->canvas, x, l->lanes_top, x, l->bottom);
        cafi_canvas_colour(l->canvas, cafi_grey, 1);
        cafi_canvas_line(l->canvas, x, l->bottom, x, l->bottom + 4);
        cafi_canvas_text(l->canvas, &tick_font, CAFI_CENTRE, x, l->bottom + 16, l->x.text[i]);
    }
    cafi_canvas_colour(l->canvas, cafi_grey, 1);
    cairo_set_line_width(cr, 1);
    cafi_canvas_line(l->canvas, l->left, l->bottom, l->right, l->bottom);
    cafi_canvas_text(l->canvas, &label_font, CAFI_CENTRE, (l->left + l->right) / 2, l->bottom + 36,
                     "cosine similarity to the gallery template");
}

/* The threshold's line, here in the picture and in its legend. */
static void draw_dashes(const layout *l, double x1, double y1, double x2, double y2)
{
    static const double dashes[] = {6, 3};
    cairo_t *cr = cafi_canvas_cairo(l->canvas);

    cafi_canvas_colour(l->canvas, cafi_ink, 0.75);
    cairo_set_line_width(cr, 1.2);
    cairo_set_dash(cr, dashes, 2, 0);
    cafi_canvas_line(l->canvas, x1, y1, x2, y2);
    cairo_set_dash(cr, NULL, 0, 0);
}

/* The similarity from which two are called the same: a line through the dots. Its number is in the
 * legend, where no face is. */
static void draw_threshold(const layout *l)
{
    double x = cafi_axis_place(&l->x, l->plot->threshold);

    draw_dashes(l, x, l->top, x, l->bottom);
}

static void draw_texts(const layout *l)
{
    double y = EDGE + 11;
    char text[256];

    if (l->plot->title) {
        cafi_canvas_fit(l->canvas, &title_font, l->width - l->left - LEGEND_SPACE, l->plot->title,
                        text, sizeof text);
        cafi_canvas_text(l->canvas, &title_font, CAFI_LEFT, l->left, y, text);
        y += 19;
    }
    if (l->plot->subtitle) {
        cafi_canvas_fit(l->canvas, &subtitle_font, l->width - l->left - EDGE, l->plot->subtitle,
                        text, sizeof text);
        cafi_canvas_text(l->canvas, &subtitle_font, CAFI_LEFT, l->left, y, text);
    }
}

static double next_height(uint64_t *state)
{
    uint64_t x = *state += 0x9E3779B97F4A7C15u;

    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (double)((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

typedef struct dot {
    double x, y, share;
    size_t face;
} dot;

static int by_share(const void *a, const void *b)
{
    const dot *p = a, *q = b;

    if (p->share < q->share || p->share > q->share)
        return p->share < q->share ? -1 : 1;
    return p->y < q->y ? -1 : p->y > q->y;
}

/* The heavier a face, the later it is drawn: nothing hides what decided. */
static void draw_dots(const layout *l, dot *dots)
{
    cairo_t *cr = cafi_canvas_cairo(l->canvas);
    uint64_t state = l->plot->seed;
    double crowd = (double)l->plot->count / FEW_DOTS;
    double radius = crowd > 1 ? fmax(1, DOT_SIZE / sqrt(crowd)) : DOT_SIZE;

    for (size_t i = 0; i < l->plot->count; i++)
        dots[i] =
            (dot){cafi_axis_place(&l->x, l->plot->similarity[i]),
                  l->top + radius + next_height(&state) * (l->bottom - l->top - 2 * radius - 2),
                  share(l->plot, i), i};
    qsort(dots, l->plot->count, sizeof dots[0], by_share);
    cairo_set_line_width(cr, 0.2 * radius);
    for (size_t i = 0; i < l->plot->count; i++) {
        cairo_arc(cr, dots[i].x, dots[i].y, radius, 0, 2 * acos(-1));
        cafi_canvas_colour(l->canvas, share_colour(l, dots[i].share), 0.95);
        cairo_fill_preserve(cr);
        cafi_canvas_colour(l->canvas, cafi_paper, crowd > 2 ? 0.3 : 0.9);
        cairo_stroke(cr);
    }
}

/* A picture [side][side][3] as cairo has pixels; NULL when there is no memory. */
static cairo_surface_t *picture_surface(const uint8_t *rgb, size_t side)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)side, (int)side);
    unsigned char *data = cairo_image_surface_get_data(s);
    size_t stride = (size_t)cairo_image_surface_get_stride(s);

    if (cairo_surface_status(s) != CAIRO_STATUS_SUCCESS || !data) {
        cairo_surface_destroy(s);
        return NULL;
    }
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++) {
            const uint8_t *p = rgb + (y * side + x) * 3;
            uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

            memcpy(data + y * stride + 4 * x, &v, sizeof v);
        }
    cairo_surface_mark_dirty(s);
    return s;
}

/* The picture, size points wide and high, with its upper left corner at x, y. */
static void draw_picture(const layout *l, const uint8_t *rgb, size_t side, double x, double y,
                         double size)
{
    cairo_t *cr = cafi_canvas_cairo(l->canvas);
    cairo_surface_t *s = picture_surface(rgb, side);
    double scale = size / (double)side;

    if (!s)
        return;
    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_scale(cr, scale, scale);
    cairo_set_source_surface(cr, s, 0, 0);
    cairo_paint(cr);
    cairo_restore(cr);
    cairo_surface_destroy(s);
}

static void draw_thumb(const layout *l, const cafi_similarity_thumb *t, double x, double y)
{
    double left = x - THUMB_SIZE / 2, top = y - THUMB_SIZE / 2;

    cairo_rectangle(cafi_canvas_cairo(l->canvas), left - 1, top - 1, THUMB_SIZE + 2,
                    THUMB_SIZE + 2);
    cafi_canvas_colour(l->canvas, share_colour(l, share(l->plot, t->face)), 1);
    cairo_fill(cafi_canvas_cairo(l->canvas));
    draw_picture(l, t->rgb, t->side, left, top, THUMB_SIZE);
}

/* The gallery picture and whom it shows. */
static void draw_gallery(const layout *l)
{
    const cafi_similarity_gallery *g = l->plot->gallery;
    double left = l->width - EDGE - GALLERY_SIZE;
    char text[NAME_SIZE];

    if (g->rgb)
        draw_picture(l, g->rgb, g->side, left, l->top, GALLERY_SIZE);
    cafi_canvas_fit(l->canvas, &tick_font, GALLERY_SIZE, g->name, text, sizeof text);
    cafi_canvas_text(l->canvas, &tick_font, CAFI_LEFT, left, l->top + GALLERY_SIZE + 14, text);
}

/* Pictures over their dots, moved into the field where they would stick out. */
static void draw_thumbs(const layout *l, const dot *dots)
{
    double half = THUMB_SIZE / 2 + 2;
    double drawn[MAX_THUMBS][2];
    size_t count = 0;

    for (size_t k = 0; k < l->plot->thumb_count && count < MAX_THUMBS; k++) {
        const cafi_similarity_thumb *t = &l->plot->thumbs[k];
        const dot *d = dots;
        bool free_place = true;
        double x = 0, y = 0;

        while (d->face != t->face)
            d++;
        x = fmin(fmax(d->x, l->left + half), l->right - half);
        y = fmin(fmax(d->y, l->top + half), l->bottom - half);
        for (size_t i = 0; i < count; i++)
            free_place = free_place &&
                         (fabs(drawn[i][0] - x) > 2 * half || fabs(drawn[i][1] - y) > 2 * half);
        if (!free_place)
            continue;
        draw_thumb(l, t, x, y);
        drawn[count][0] = x;
        drawn[count++][1] = y;
    }
}

static void trace_star(cairo_t *cr, double x, double y, double size)
{
    const double turn = acos(-1) / 5;

    cairo_new_path(cr);
    for (int i = 0; i < 10; i++) {
        double radius = i % 2 ? 0.42 * size : size;
        cairo_line_to(cr, x + radius * sin(i * turn), y - radius * cos(i * turn));
    }
    cairo_close_path(cr);
}

static void draw_star(const layout *l, double x, double y, double size, cafi_colour colour)
{
    cairo_t *cr = cafi_canvas_cairo(l->canvas);

    trace_star(cr, x, y, size);
    cafi_canvas_colour(l->canvas, colour, 1);
    cairo_fill_preserve(cr);
    cafi_canvas_colour(l->canvas, cafi_ink, 1);
    cairo_set_line_width(cr, 0.8);
    cairo_stroke(cr);
}

/* The lines from the stars to the axis, under the thumbnails. */
static void draw_star_lines(const layout *l)
{
    static const double dashes[] = {3, 3};
    cairo_t *cr = cafi_canvas_cairo(l->canvas);

    for (size_t k = 0; k < l->plot->star_count; k++) {
        const star_place *s = &l->stars[k];
        bool is_main = font_of(l, s) == &main_font;
        double y = l->top - 6 - ((double)s->lane + 0.5) * LANE;

        cafi_canvas_colour(l->canvas, is_main ? main_colour : cafi_grey, is_main ? 1 : 0.8);
        cairo_set_line_width(cr, is_main ? 1.4 : 0.9);
        cairo_set_dash(cr, dashes, is_main ? 0 : 2, 0);
        cafi_canvas_line(l->canvas, s->x, y, s->x, l->bottom);
        cairo_set_dash(cr, NULL, 0, 0);
    }
}

static void draw_stars(const layout *l)
{
    for (size_t k = 0; k < l->plot->star_count; k++) {
        const star_place *s = &l->stars[k];
        bool is_main = font_of(l, s) == &main_font;
        double y = l->top - 6 - ((double)s->lane + 0.5) * LANE;
        double away = s->align == CAFI_RIGHT ? -STAR_SIZE - 4 : STAR_SIZE + 4;

        draw_star(l, s->x, y, is_main ? STAR_SIZE * 1.15 : STAR_SIZE,
                  is_main ? main_colour : other_colour);
        cafi_canvas_text(l->canvas, font_of(l, s), s->align, s->x + away, y + 4, s->text);
    }
}

/* The bar spans the dots' field; its ticks are even shares on the root scale. */
static void draw_colour_bar(const layout *l)
{
    static const double ticks[] = {0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000};
    cairo_t *cr = cafi_canvas_cairo(l->canvas);
    double left = l->right + 30, height = l->bottom - l->top;
    double last = INFINITY;
    cairo_pattern_t *ramp = cairo_pattern_create_linear(0, l->bottom, 0, l->top);

    for (int i = 0; i <= 32; i++) {
        cafi_colour c = cafi_ramp_colour(i / 32.0);
        cairo_pattern_add_color_stop_rgb(ramp, i / 32.0, c.r, c.g, c.b);
    }
    cairo_rectangle(cr, left, l->top, BAR_WIDTH, height);
    cairo_set_source(cr, ramp);
    cairo_fill(cr);
    cairo_pattern_destroy(ramp);
    cairo_set_line_width(cr, 1);
    for (size_t i = 0; i < sizeof ticks / sizeof ticks[0] && ticks[i] <= l->heaviest; i++) {
        double y = l->bottom - sqrt(ticks[i] / l->heaviest) * height;
        char text[32];
        if (last - y < 13)
            continue;
        last = y;
        cafi_format(text, sizeof text, "%g\xC3\x97", ticks[i]);
        cafi_canvas_colour(l->canvas, cafi_grey, 1);
        cafi_canvas_line(l->canvas, left + BAR_WIDTH, y, left + BAR_WIDTH + 4, y);
        cafi_canvas_text(l->canvas, &tick_font, CAFI_LEFT, left + BAR_WIDTH + 7, y + 3.5, text);
    }
    cafi_canvas_text(l->canvas, &label_font, CAFI_LEFT, left, l->top - 26, "weight");
    cafi_canvas_text(l->canvas, &tick_font, CAFI_LEFT, left, l->top - 12, "of an even share");
}

/* What a dot, a star and the dashed line are, in the upper right corner. */
static void draw_legend(const layout *l)
{
    cairo_t *cr = cafi_canvas_cairo(l->canvas);
    double y = EDGE + 7, x = l->width - EDGE;
    static const char *const texts[] = {"template", "one face"};

    for (int i = 0; i < 2; i++) {
        x -= cafi_canvas_text_width(l->canvas, &tick_font, texts[i]);
        cafi_canvas_text(l->canvas, &tick_font, CAFI_LEFT, x, y + 3.5, texts[i]);
        x -= 11;
        if (i == 0) {
            draw_star(l, x, y, STAR_SIZE * 0.8, other_colour);
        } else {
            cairo_arc(cr, x, y, DOT_SIZE, 0, 2 * acos(-1));
            cafi_canvas_colour(l->canvas, cafi_ramp_colour(0.6), 1);
            cairo_fill(cr);
        }
        x -= 18;
    }
    if (l->plot->has_threshold) {
        double t = l->plot->threshold;
        char text[48];

        cafi_format(text, sizeof text, "threshold %s%.2f", t < 0 ? CAFI_MINUS : "", fabs(t));
        y += 18;
        x = l->width - EDGE - cafi_canvas_text_width(l->canvas, &tick_font, text);
        cafi_canvas_text(l->canvas, &tick_font, CAFI_LEFT, x, y + 3.5, text);
        draw_dashes(l, x - 33, y, x - 9, y);
    }
}

static double height_of(const cafi_similarity *p)
{
    return p->height > 0 ? p->height : 420;
}

/* One panel, whose upper edge is at y. */
static caface_status draw_panel(cafi_canvas *canvas, const cafi_similarity *first,
                                const cafi_similarity *plot, double width, double y,
                                caface_error *err)
{
    cairo_t *cr = cafi_canvas_cairo(canvas);
    layout *l = NULL;
    dot *dots = NULL;
    caface_status st;

    if (!(st = CAFI_NEW(&l, 1, err)) && !(st = CAFI_NEW(&dots, plot->count, err))) {
        l->plot = plot;
        l->first = first;
        l->canvas = canvas;
        l->width = width;
        l->height = height_of(plot);
        cairo_save(cr);
        cairo_translate(cr, 0, y);
        place_all(l);
        draw_axis(l);
        draw_dots(l, dots);
        if (plot->has_threshold)
            draw_threshold(l);
        draw_star_lines(l);
        draw_thumbs(l, dots);
        draw_stars(l);
        draw_texts(l);
        draw_legend(l);
        if (plot->weight)
            draw_colour_bar(l);
        if (plot->gallery)
            draw_gallery(l);
        cairo_restore(cr);
    }
    free(dots);
    free(l);
    return st;
}

caface_status cafi_similarity_save(const cafi_similarity *plot, const char *path, caface_error *err)
{
    cafi_canvas *canvas = NULL;
    double width = plot->width > 0 ? plot->width : plot->gallery ? 880 : 760;
    double height = height_of(plot) + (plot->below ? height_of(plot->below) : 0);
    caface_status drawn;
    caface_status st = cafi_plot_check(path, err);

    if (st || (st = check(plot, path, err)) ||
        (st = cafi_canvas_open(&canvas, path, width, height, err)))
        return st;
    drawn = draw_panel(canvas, plot, plot, width, 0, err);
    if (!drawn && plot->below)
        drawn = draw_panel(canvas, plot, plot->below, width, height_of(plot), err);
    if (drawn) {
        cafi_canvas_abort(canvas);
        return drawn;
    }
    return cafi_canvas_commit(canvas, err);
}
