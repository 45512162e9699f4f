/* Boxes, landmarks and track numbers drawn into pictures. */
#ifndef CAFI_FACES_DRAW_H
#define CAFI_FACES_DRAW_H

#include <stdint.h>

#include "faces/box.h"

/* A picture to draw on: u8 [height][width][3]. What lies outside is cut. */
typedef struct cafi_drawing {
    uint8_t *rgb;
    size_t width, height;
} cafi_drawing;

typedef struct cafi_ink {
    uint8_t r, g, b;
} cafi_ink;

/* Seven colours that differ in hue and lightness, then again from the start. */
cafi_ink cafi_ink_of(size_t n);

/* The outline of a face's box, as thick as suits the picture, and its five
 * landmarks as dots. */
void cafi_draw_face(const cafi_drawing *to, const cafi_face *face, cafi_ink ink);

/* A number in 5x7 dots a digit, on a plate, with its lower left corner at x, y.
 * Negative numbers have a minus. */
void cafi_draw_number(const cafi_drawing *to, double x, double y, int64_t number, cafi_ink ink);

#endif
