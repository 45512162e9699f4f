/* A second look at doubtful faces.
 *
 * A hand, a cup or a fold of cloth that a one-shot network takes for a face, it seldom takes for
 * one again when it is shown by itself, mirrored and at another size; a face it does. The windows
 * around many faces lie in one picture, so that one run looks at all of them. */
#ifndef CAFI_FACES_SECOND_LOOK_H
#define CAFI_FACES_SECOND_LOOK_H

#include "faces/box.h"
#include "faces/resample.h"

/* Sides of a window, and of the face in it, in pixels of the network's input. */
#define CAFI_LOOK_WINDOW 96
#define CAFI_LOOK_FACE 48

/* A picture of cols x cols windows, mirrored, in the order of their faces, black where there is
 * none. */
typedef struct cafi_look {
    uint8_t *rgb; /* [cols * CAFI_LOOK_WINDOW] squared, 3: the caller's to free */
    size_t cols;
} cafi_look;

/* Draws the windows of count <= cols * cols faces. ENOMEM: nothing is allocated. */
caface_status cafi_look_draw(cafi_look *look, cafi_resampler *resampler, const cafi_view *picture,
                             const cafi_face *faces, size_t count, size_t cols, caface_error *err);
/* True when one of the faces seen in the look is the one of window `which`. */
bool cafi_look_shows(const cafi_faces *seen, const cafi_face *face, size_t which, size_t cols);

/* The window around a box: 2 * side pixels squared, of which the box's longer side has `side`.
 *   window  u8 rows of `stride` bytes; what is beyond the picture is left as it is. ENOMEM */
caface_status cafi_look_window(uint8_t *window, size_t stride, size_t side, bool mirrored,
                               cafi_resampler *resampler, const cafi_view *picture,
                               const cafi_box *box, caface_error *err);
/* A face found in such a window that is not mirrored, where it is in the picture. */
void cafi_look_place(cafi_face *face, size_t side, const cafi_box *box);
/* How far the landmarks of a face are from those that it has in the mirror image of the same window
 * (of `width` pixels), mirrored back: root mean square, over the distance between the eyes. */
double cafi_look_difference(const cafi_face *face, const cafi_face *mirrored, double width);

#endif
