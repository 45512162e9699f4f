#include "plot/lettering.h"

#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plot/canvas.h"

/* Parts of the line's height. */
#define FONT_SIZE 0.78
#define BASELINE 0.77
#define MARGIN 0.25 /* left and right of the text */
#define WIDEST 16384.0

static cairo_surface_t *surface_of(int width, int height, double pixels, cairo_t **cr)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, width, height);

    *cr = cairo_create(surface);
    cairo_select_font_face(*cr, CAFI_FONT, CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(*cr, FONT_SIZE * pixels);
    return surface;
}

static double width_of(const char *text, double pixels)
{
    cairo_text_extents_t extents;
    cairo_t *cr = NULL;
    cairo_surface_t *surface = surface_of(1, 1, pixels, &cr);
    bool drawn = false;

    cairo_text_extents(cr, text, &extents);
    drawn = cairo_status(cr) == CAIRO_STATUS_SUCCESS && isfinite(extents.x_advance);
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    return drawn ? fmin(WIDEST, fmax(1.0, ceil(extents.x_advance + 2.0 * MARGIN * pixels))) : 0.0;
}

uint8_t *cafi_lettering_mask(const char *text, size_t pixels, size_t *width, size_t *height)
{
    char clean[CAFI_TEXT_SIZE];
    cairo_t *cr = NULL;
    cairo_surface_t *surface = NULL;
    uint8_t *mask = NULL;
    size_t w = 0;

    cafi_canvas_clean(clean, sizeof clean, text);
    w = (size_t)width_of(clean, (double)pixels);
    if (!w || !pixels || pixels > 4096)
        return NULL;
    surface = surface_of((int)w, (int)pixels, (double)pixels, &cr);
    cairo_move_to(cr, rint(MARGIN * (double)pixels), rint(BASELINE * (double)pixels));
    cairo_show_text(cr, clean);
    cairo_surface_flush(surface);
    if (cairo_status(cr) == CAIRO_STATUS_SUCCESS && (mask = malloc(w * pixels))) {
        const unsigned char *rows = cairo_image_surface_get_data(surface);
        size_t stride = (size_t)cairo_image_surface_get_stride(surface);

        for (size_t y = 0; y < pixels; y++)
            memcpy(mask + y * w, rows + y * stride, w);
        *width = w;
        *height = pixels;
    }
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    return mask;
}

bool cafi_lettering_has(const char *text)
{
    char clean[CAFI_TEXT_SIZE];
    cairo_t *cr = NULL;
    cairo_surface_t *surface = surface_of(1, 1, 16.0, &cr);
    cairo_glyph_t *glyphs = NULL;
    int count = 0;
    bool all = true;

    cafi_canvas_clean(clean, sizeof clean, text);
    if (cairo_scaled_font_text_to_glyphs(cairo_get_scaled_font(cr), 0.0, 0.0, clean, -1, &glyphs,
                                         &count, NULL, NULL, NULL) == CAIRO_STATUS_SUCCESS)
        for (int i = 0; i < count; i++)
            all = all && glyphs[i].index != 0;
    cairo_glyph_free(glyphs);
    cairo_destroy(cr);
    cairo_surface_destroy(surface);
    return all;
}
