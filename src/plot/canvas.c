#include "plot/canvas.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "files/output.h"
#include "plot/chart.h"

/* Pixels a point: sharp on a dense screen. */
#define PNG_SCALE 2.0

typedef enum picture_kind { PICTURE_NONE, PICTURE_PNG, PICTURE_SVG, PICTURE_PDF } picture_kind;

struct cafi_canvas {
    picture_kind kind;
    cairo_surface_t *surface;
    cairo_t *cr;
    cafi_output *output;
    caface_error error; /* of the first write that failed */
    caface_status status;
};

static picture_kind kind_of(const char *path)
{
    static const struct {
        const char *suffix;
        picture_kind kind;
    } kinds[] = {{".png", PICTURE_PNG}, {".svg", PICTURE_SVG}, {".pdf", PICTURE_PDF}};
    size_t length = strlen(path);

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (length > 4 && strcmp(path + length - 4, kinds[i].suffix) == 0)
            return kinds[i].kind;
    return PICTURE_NONE;
}

bool cafi_plot_available(void)
{
    return true;
}

caface_status cafi_plot_check(const char *path, caface_error *err)
{
    if (kind_of(path) == PICTURE_NONE)
        return cafi_fail(err, CAFACE_EINVAL, "%s: a picture's name ends in .png, .svg or .pdf",
                         path);
    return CAFACE_OK;
}

static cairo_status_t write_bytes(void *closure, const unsigned char *bytes, unsigned int n)
{
    cafi_canvas *canvas = closure;

    if (!canvas->status)
        canvas->status = cafi_output_write(canvas->output, bytes, n, &canvas->error);
    return canvas->status ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

static void canvas_free(cafi_canvas *canvas)
{
    if (canvas->cr)
        cairo_destroy(canvas->cr);
    if (canvas->surface)
        cairo_surface_destroy(canvas->surface);
    cafi_output_abort(canvas->output);
    free(canvas);
}

caface_status cafi_canvas_open(cafi_canvas **out, const char *path, double width, double height,
                               caface_error *err)
{
    cafi_canvas *canvas = NULL;
    caface_status st = cafi_plot_check(path, err);

    *out = NULL;
    if (st || (st = CAFI_NEW(&canvas, 1, err)))
        return st;
    canvas->kind = kind_of(path);
    if ((st = cafi_output_open(&canvas->output, path, err))) {
        canvas_free(canvas);
        return st;
    }
    if (canvas->kind == PICTURE_SVG)
        canvas->surface = cairo_svg_surface_create_for_stream(write_bytes, canvas, width, height);
    else if (canvas->kind == PICTURE_PDF)
        canvas->surface = cairo_pdf_surface_create_for_stream(write_bytes, canvas, width, height);
    else
        canvas->surface = cairo_image_surface_create(
            CAIRO_FORMAT_RGB24, (int)lround(width * PNG_SCALE), (int)lround(height * PNG_SCALE));
    canvas->cr = cairo_create(canvas->surface);
    if (canvas->kind == PICTURE_PNG)
        cairo_scale(canvas->cr, PNG_SCALE, PNG_SCALE);
    cafi_canvas_colour(canvas, cafi_paper, 1);
    cairo_paint(canvas->cr);
    cairo_set_line_join(canvas->cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(canvas->cr, CAIRO_LINE_CAP_BUTT);
    *out = canvas;
    return CAFACE_OK;
}

caface_status cafi_canvas_commit(cafi_canvas *canvas, caface_error *err)
{
    caface_status st = CAFACE_OK;
    cairo_status_t drawn = cairo_status(canvas->cr);

    if (!drawn && canvas->kind == PICTURE_PNG)
        drawn = cairo_surface_write_to_png_stream(canvas->surface, write_bytes, canvas);
    cairo_surface_finish(canvas->surface);
    if (!drawn)
        drawn = cairo_surface_status(canvas->surface);
    if (canvas->status) {
        st = canvas->status;
        if (err)
            *err = canvas->error;
    } else if (drawn) {
        st = cafi_fail(err, drawn == CAIRO_STATUS_NO_MEMORY ? CAFACE_ENOMEM : CAFACE_EIO,
                       "drawing failed: %s", cairo_status_to_string(drawn));
    } else {
        st = cafi_output_commit(canvas->output, err);
        canvas->output = NULL;
    }
    canvas_free(canvas);
    return st;
}

void cafi_canvas_abort(cafi_canvas *canvas)
{
    cairo_surface_finish(canvas->surface);
    canvas_free(canvas);
}

cairo_t *cafi_canvas_cairo(const cafi_canvas *canvas)
{
    return canvas->cr;
}

void cafi_canvas_colour(const cafi_canvas *canvas, cafi_colour colour, double alpha)
{
    cairo_set_source_rgba(canvas->cr, colour.r, colour.g, colour.b, alpha);
}

void cafi_canvas_line(const cafi_canvas *canvas, double x0, double y0, double x1, double y1)
{
    cairo_move_to(canvas->cr, x0, y0);
    cairo_line_to(canvas->cr, x1, y1);
    cairo_stroke(canvas->cr);
}

/* Length of the UTF-8 sequence at p (which a NUL ends), 0 when it is none. */
static size_t sequence_length(const unsigned char *p)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;

    if (p[0] > 0xF4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return n;
}

void cafi_canvas_clean(char *out, size_t size, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t used = 0;

    while (*p) {
        size_t n = sequence_length(p);
        if (used + (n ? n : 1) >= size)
            break;
        if (n == 0 || *p < 0x20 || *p == 0x7F) {
            out[used++] = *p < 0x20 ? ' ' : '?';
            p++;
            continue;
        }
        memcpy(out + used, p, n);
        used += n;
        p += n;
    }
    out[used] = 0;
}

static void set_font(const cafi_canvas *canvas, const cafi_font *font, double factor)
{
    cairo_select_font_face(canvas->cr, CAFI_FONT, CAIRO_FONT_SLANT_NORMAL,
                           font->bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(canvas->cr, font->size * factor);
}

static double advance(const cafi_canvas *canvas, const char *text)
{
    cairo_text_extents_t extents;

    cairo_text_extents(canvas->cr, text, &extents);
    return extents.x_advance;
}

/* Cuts "10^-3" into "10" and "-3"; NULL when the text is no power. */
static const char *split_power(char *text)
{
    char *hat = strchr(text, '^');

    if (!hat || !strchr("0123456789+-", text[0]))
        return NULL;
    *hat = 0;
    return hat + 1;
}

#define EXPONENT_SIZE 0.72
#define EXPONENT_RISE 0.40

double cafi_canvas_text_width(const cafi_canvas *canvas, const cafi_font *font, const char *text)
{
    char clean[CAFI_TEXT_SIZE];
    const char *exponent = NULL;
    double width = 0;

    cafi_canvas_clean(clean, sizeof clean, text);
    exponent = split_power(clean);
    set_font(canvas, font, 1);
    width = advance(canvas, clean);
    if (exponent) {
        set_font(canvas, font, EXPONENT_SIZE);
        width += advance(canvas, exponent);
    }
    return width;
}

/* Draws one run at the current font; returns its advance. */
static double draw_run(const cafi_canvas *canvas, const cafi_font *font, double x, double y,
                       const char *text)
{
    cairo_t *cr = canvas->cr;

    cairo_move_to(cr, x, y);
    if (font->halo) {
        cairo_text_path(cr, text);
        cafi_canvas_colour(canvas, cafi_paper, 0.9);
        cairo_set_line_width(cr, 3.2);
        cairo_stroke(cr);
        cairo_move_to(cr, x, y);
    }
    cafi_canvas_colour(canvas, font->colour, 1);
    cairo_show_text(cr, text);
    cairo_new_path(cr);
    return advance(canvas, text);
}

void cafi_canvas_text(const cafi_canvas *canvas, const cafi_font *font, cafi_align align, double x,
                      double y, const char *text)
{
    char clean[CAFI_TEXT_SIZE];
    const char *exponent = NULL;

    if (align != CAFI_LEFT)
        x -= cafi_canvas_text_width(canvas, font, text) * (align == CAFI_CENTRE ? 0.5 : 1);
    cafi_canvas_clean(clean, sizeof clean, text);
    exponent = split_power(clean);
    set_font(canvas, font, 1);
    x += draw_run(canvas, font, x, y, clean);
    if (exponent) {
        set_font(canvas, font, EXPONENT_SIZE);
        draw_run(canvas, font, x, y - font->size * EXPONENT_RISE, exponent);
    }
}

void cafi_canvas_fit(const cafi_canvas *canvas, const cafi_font *font, double width,
                     const char *text, char *out, size_t size)
{
    static const char ellipsis[] = "\xE2\x80\xA6";
    size_t length = 0;

    cafi_canvas_clean(out, size, text);
    if (cafi_canvas_text_width(canvas, font, out) <= width)
        return;
    length = strlen(out);
    while (length > 0) {
        do
            length--;
        while (length > 0 && ((unsigned char)out[length] & 0xC0) == 0x80);
        if (length + sizeof ellipsis > size)
            continue;
        memcpy(out + length, ellipsis, sizeof ellipsis);
        if (cafi_canvas_text_width(canvas, font, out) <= width)
            return;
    }
}

void cafi_spread(double *positions, size_t count, double gap, double low, double high)
{
    /* Neighbours that are too close share the way out, ... */
    for (int pass = 0; pass < 100; pass++)
        for (size_t i = 0; i + 1 < count; i++) {
            double lack = gap - (positions[i + 1] - positions[i]);
            if (lack > 0) {
                positions[i] -= lack / 2;
                positions[i + 1] += lack / 2;
            }
        }
    /* ... and two passes make the limits and the gaps exact. */
    for (size_t i = 0; i < count; i++)
        positions[i] = fmax(positions[i], i ? positions[i - 1] + gap : low);
    for (size_t i = count; i-- > 0;)
        positions[i] = fmin(positions[i], i + 1 < count ? positions[i + 1] - gap : high);
}

const char *cafi_plot_library(void)
{
    return cairo_version_string();
}
