/* Boxes, landmarks and track numbers drawn into pictures. */
#ifndef CAFI_FACES_DRAW_H
#define CAFI_FACES_DRAW_H

#include <stdint.h>

#include "faces/box.h"

/* A line of text as coverage, u8 [*height][*width], 255 where it is all ink; pixels: the height of
 * the line. The caller frees it. NULL: not to be had. */
typedef uint8_t *(*cafi_text_mask)(const char *text, size_t pixels, size_t *width, size_t *height);

/* A picture to draw on: u8 [height][width][3]. What lies outside is cut. */
typedef struct cafi_drawing {
    uint8_t *rgb;
    size_t width, height;
    cafi_text_mask letters; /* NULL: dots, as cafi_draw_text has them */
} cafi_drawing;

typedef struct cafi_paint {
    uint8_t r, g, b;
} cafi_paint;

/* Seven colours that differ in hue and lightness, then again from the start. */
cafi_paint cafi_paint_of(size_t n);

/* The outline of a face's box, as thick as suits the picture, and its five
 * landmarks as dots. */
void cafi_draw_face(const cafi_drawing *to, const cafi_face *face, cafi_paint ink);

/* Text on a plate, with its lower left corner at x, y or as near as the picture has
 * room: by to->letters. Without them in 5x7 dots a letter: letters become capitals, and what is
 * neither A to Z, a digit, ".", "-" nor "_" becomes "?". */
void cafi_draw_text(const cafi_drawing *to, double x, double y, const char *text, cafi_paint ink);

/* How far below a box text stands that leaves room for its bar: the y of such a
 * text is the box's lower edge and this. */
double cafi_draw_text_below(const cafi_drawing *to);

/* A bar under a box, as wide, of which the given part, 0 to 1, is filled. */
void cafi_draw_bar(const cafi_drawing *to, const cafi_box *box, double part, cafi_paint ink);

#endif
