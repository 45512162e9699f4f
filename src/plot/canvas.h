/* A page to draw on: cairo with the file's format chosen by its suffix, and
 * text that is measured and placed. Coordinates are points, y grows downward. */
#ifndef CAFI_PLOT_CANVAS_H
#define CAFI_PLOT_CANVAS_H

#include <cairo.h>
#include <stdbool.h>

#include "base/status.h"
#include "plot/colour.h"

typedef struct cafi_canvas cafi_canvas;

/* EINVAL: unknown suffix. EIO: path can't be created. */
caface_status cafi_canvas_open(cafi_canvas **out, const char *path, double width, double height,
                               caface_error *err);
/* Writes the file and frees the canvas in every case. EIO, ENOMEM. */
caface_status cafi_canvas_commit(cafi_canvas *canvas, caface_error *err);
/* Frees the canvas and leaves no file. */
void cafi_canvas_abort(cafi_canvas *canvas);

/* For lines and shapes. Its transformation and clip are to be left as found. */
cairo_t *cafi_canvas_cairo(const cafi_canvas *canvas);
void cafi_canvas_colour(const cafi_canvas *canvas, cafi_colour colour, double alpha);
/* A straight line. */
void cafi_canvas_line(const cafi_canvas *canvas, double x0, double y0, double x1, double y1);

typedef enum cafi_align { CAFI_LEFT, CAFI_CENTRE, CAFI_RIGHT } cafi_align;

typedef struct cafi_font {
    double size; /* in points */
    bool bold;
    cafi_colour colour;
    bool halo; /* a rim in the paper's colour, for text over data */
} cafi_font;

#define CAFI_FONT "DejaVu Sans"
#define CAFI_TEXT_SIZE 512

/* A copy that cairo accepts: valid UTF-8, no control characters, cut to fit. */
void cafi_canvas_clean(char *out, size_t size, const char *text);
/* The advance of text. "10^-3" counts, and is drawn, with a raised exponent:
 * what follows the first '^' of a text that starts with a digit or a sign.
 * Bytes that are not UTF-8 are drawn as '?'. */
double cafi_canvas_text_width(const cafi_canvas *canvas, const cafi_font *font, const char *text);
/* Draws with the baseline at y. */
void cafi_canvas_text(const cafi_canvas *canvas, const cafi_font *font, cafi_align align, double x,
                      double y, const char *text);
/* Copies text into out, cut with an ellipsis so that it is at most width wide. */
void cafi_canvas_fit(const cafi_canvas *canvas, const cafi_font *font, double width,
                     const char *text, char *out, size_t size);

/* Moves positions [count], ascending, as little as needed so that neighbours
 * are at least gap apart and all lie in [low, high] where there is room. */
void cafi_spread(double *positions, size_t count, double gap, double low, double high);

#endif
