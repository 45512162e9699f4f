/* Text as coverage, for pictures that are not drawn by cairo: labels in video. */
#ifndef CAFI_PLOT_LETTERING_H
#define CAFI_PLOT_LETTERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line of text in DejaVu Sans, u8 [*height][*width], 255 where it is all ink; `pixels` is the
 * height of the line. The caller frees it. NULL: no memory, or a build without cairo. Any thread.
 */
uint8_t *cafi_lettering_mask(const char *text, size_t pixels, size_t *width, size_t *height);

/* False when the font lacks a letter of the text, in whose place a box is drawn. True without
 * cairo. */
bool cafi_lettering_has(const char *text);

#endif
