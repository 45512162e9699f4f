#include "faces/second_look.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define WINDOW CAFI_LOOK_WINDOW
#define FACE CAFI_LOOK_FACE
/* The same face in the window. */
#define SAME_FACE 0.4

/* A window is a square of twice the face's longer side: what of the picture one of its pixels
 * covers, with a face of `side`. */
static double pixels_of(const cafi_box *b, size_t side)
{
    double longer = fmax((double)(b->x2 - b->x1), (double)(b->y2 - b->y1));

    return fmax(longer, 1.0) / (double)side;
}

static size_t clamped(double x, size_t most)
{
    return x > 0.0 ? (x < (double)most ? (size_t)x : most) : 0;
}

/* The picture's pixels from..to in one direction that a window around `middle` covers, and where
 * they lie in it. */
typedef struct span {
    size_t from, to, at, length;
} span;

static span span_of(double middle, double pixels, size_t window, size_t extent)
{
    double start = middle - 0.5 * (double)window * pixels;
    span s = {clamped(floor(start), extent), clamped(ceil(start + (double)window * pixels), extent),
              0, 0};

    if (s.from >= s.to)
        return s;
    s.at = clamped(rint(((double)s.from - start) / pixels), window - 1);
    s.length = clamped(rint((double)(s.to - s.from) / pixels), window - s.at);
    s.length = s.length ? s.length : 1;
    return s;
}

caface_status cafi_look_window(uint8_t *window, size_t stride, size_t side, bool mirrored,
                               cafi_resampler *resampler, const cafi_view *picture,
                               const cafi_box *b, caface_error *err)
{
    size_t width = 2 * side;
    double pixels = pixels_of(b, side);
    span x = span_of(0.5 * (double)(b->x1 + b->x2), pixels, width, picture->width);
    span y = span_of(0.5 * (double)(b->y1 + b->y2), pixels, width, picture->height);
    cafi_view part = {NULL, x.to - x.from, y.to - y.from}, small;
    uint8_t *rgb = NULL;
    caface_status st = CAFACE_OK;

    if (!x.length || !y.length)
        return CAFACE_OK; /* beyond the picture */
    if ((st = cafi_alloc(&rgb, part.height, part.width * 3, err)))
        return st;
    for (size_t row = 0; row < part.height; row++)
        memcpy(rgb + row * part.width * 3,
               picture->rgb + ((y.from + row) * picture->width + x.from) * 3, part.width * 3);
    part.rgb = rgb;
    st = cafi_resampler_run(resampler, &part, x.length, y.length, &small, err);
    for (size_t row = 0; !st && row < y.length; row++)
        for (size_t col = 0; col < x.length; col++) {
            size_t at = mirrored ? width - 1 - x.at - col : x.at + col;

            memcpy(window + (y.at + row) * stride + at * 3, small.rgb + (row * x.length + col) * 3,
                   3);
        }
    free(rgb);
    return st;
}

caface_status cafi_look_draw(cafi_look *look, cafi_resampler *resampler, const cafi_view *picture,
                             const cafi_face *faces, size_t count, size_t cols, caface_error *err)
{
    size_t stride = cols * WINDOW * 3;
    caface_status st = cafi_alloc(&look->rgb, cols * WINDOW, stride, err);

    look->cols = cols;
    if (st)
        return st;
    memset(look->rgb, 0, cols * WINDOW * stride);
    for (size_t i = 0; !st && i < count; i++)
        st = cafi_look_window(look->rgb + i / cols * WINDOW * stride + i % cols * WINDOW * 3,
                              stride, FACE, true, resampler, picture, &faces[i].box, err);
    if (st) {
        free(look->rgb);
        look->rgb = NULL;
    }
    return st;
}

bool cafi_look_shows(const cafi_faces *seen, const cafi_face *face, size_t which, size_t cols)
{
    const cafi_box *b = &face->box;
    double pixels = pixels_of(b, FACE);
    float x = ((float)(which % cols) + 0.5f) * WINDOW, y = ((float)(which / cols) + 0.5f) * WINDOW;
    float w = (float)((double)(b->x2 - b->x1) / pixels);
    float h = (float)((double)(b->y2 - b->y1) / pixels);
    cafi_box want = {x - 0.5f * w, y - 0.5f * h, x + 0.5f * w, y + 0.5f * h};

    for (size_t i = 0; i < seen->count; i++)
        if (cafi_box_iou(&seen->items[i].box, &want) > SAME_FACE)
            return true;
    return false;
}

void cafi_look_place(cafi_face *face, size_t side, const cafi_box *b)
{
    double pixels = pixels_of(b, side);
    double x = 0.5 * (double)(b->x1 + b->x2) - (double)side * pixels;
    double y = 0.5 * (double)(b->y1 + b->y2) - (double)side * pixels;
    cafi_box *own = &face->box;

    *own = (cafi_box){(float)(x + own->x1 * pixels), (float)(y + own->y1 * pixels),
                      (float)(x + own->x2 * pixels), (float)(y + own->y2 * pixels)};
    for (int k = 0; k < CAFI_LANDMARKS; k++) { /* at the middles of pixels */
        cafi_point *l = &face->landmark[k];

        l->x = (float)(x + ((double)l->x + 0.5) * pixels - 0.5);
        l->y = (float)(y + ((double)l->y + 0.5) * pixels - 0.5);
    }
}

double cafi_look_difference(const cafi_face *face, const cafi_face *mirrored, double width)
{
    static const int other[CAFI_LANDMARKS] = {1, 0, 2, 4, 3};
    const cafi_point *l = face->landmark;
    double eyes = hypot((double)(l[1].x - l[0].x), (double)(l[1].y - l[0].y)), sum = 0.0;

    for (int k = 0; k < CAFI_LANDMARKS; k++) {
        const cafi_point *m = &mirrored->landmark[other[k]];
        double dx = width - 1.0 - (double)m->x - (double)l[k].x;
        double dy = (double)(m->y - l[k].y);

        sum += dx * dx + dy * dy;
    }
    sum = sqrt(sum / CAFI_LANDMARKS) / eyes;
    return eyes > 0.0 && isfinite(sum) ? sum : INFINITY;
}
