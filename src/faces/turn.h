/* Pictures and faces by quarter turns. */
#ifndef CAFI_FACES_TURN_H
#define CAFI_FACES_TURN_H

#include "faces/box.h"
#include "media/view.h"

/* The picture turned clockwise by `quarters` (0 to 3) times 90 degrees.
 *   out  u8, as large as the picture; no overlap */
void cafi_turn_pixels(uint8_t *out, const cafi_view *picture, int quarters);

/* A face found in the turned copy of a picture of width x height pixels, back
 * in that picture. Landmarks keep their order: the first is the eye that is on
 * the left when the picture stands upright. */
void cafi_turn_back(cafi_face *face, size_t width, size_t height, int quarters);

#endif
