#include "faces/second_look.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define WINDOW CAFI_LOOK_WINDOW
/* The same face in the window. */
#define SAME_FACE 0.4

/* A window is a square of twice the face's longer side. */
static double pixels_of(const cafi_box *b)
{
    double side = fmax((double)(b->x2 - b->x1), (double)(b->y2 - b->y1));

    return fmax(side, 1.0) / CAFI_LOOK_FACE;
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

static span span_of(double middle, double pixels, size_t extent)
{
    double start = middle - 0.5 * WINDOW * pixels;
    span s = {clamped(floor(start), extent), clamped(ceil(start + WINDOW * pixels), extent), 0, 0};

    if (s.from >= s.to)
        return s;
    s.at = clamped(rint(((double)s.from - start) / pixels), WINDOW - 1);
    s.length = clamped(rint((double)(s.to - s.from) / pixels), WINDOW - s.at);
    s.length = s.length ? s.length : 1;
    return s;
}

static caface_status draw_window(uint8_t *window, size_t stride, cafi_resampler *resampler,
                                 const cafi_view *picture, const cafi_box *b, caface_error *err)
{
    double pixels = pixels_of(b);
    span x = span_of(0.5 * (double)(b->x1 + b->x2), pixels, picture->width);
    span y = span_of(0.5 * (double)(b->y1 + b->y2), pixels, picture->height);
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
        for (size_t col = 0; col < x.length; col++)
            memcpy(window + (y.at + row) * stride + (WINDOW - 1 - x.at - col) * 3,
                   small.rgb + (row * x.length + col) * 3, 3);
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
        st = draw_window(look->rgb + i / cols * WINDOW * stride + i % cols * WINDOW * 3, stride,
                         resampler, picture, &faces[i].box, err);
    if (st) {
        free(look->rgb);
        look->rgb = NULL;
    }
    return st;
}

/* What the look has of the face in window `which`, or NULL; *at: the middle of the window. */
static const cafi_face *find(const cafi_faces *seen, const cafi_face *face, size_t which,
                             size_t cols, cafi_point *at)
{
    const cafi_box *b = &face->box;
    double pixels = pixels_of(b);
    float x = ((float)(which % cols) + 0.5f) * WINDOW, y = ((float)(which / cols) + 0.5f) * WINDOW;
    float w = (float)((double)(b->x2 - b->x1) / pixels);
    float h = (float)((double)(b->y2 - b->y1) / pixels);
    cafi_box want = {x - 0.5f * w, y - 0.5f * h, x + 0.5f * w, y + 0.5f * h};

    *at = (cafi_point){x, y};
    for (size_t i = 0; i < seen->count; i++)
        if (cafi_box_iou(&seen->items[i].box, &want) > SAME_FACE)
            return &seen->items[i];
    return NULL;
}

bool cafi_look_shows(const cafi_faces *seen, const cafi_face *face, size_t which, size_t cols)
{
    cafi_point at;

    return find(seen, face, which, cols, &at) != NULL;
}

double cafi_look_difference(const cafi_faces *seen, const cafi_face *face, size_t which,
                            size_t cols)
{
    static const int mirrored[CAFI_LANDMARKS] = {1, 0, 2, 4, 3};
    const cafi_box *b = &face->box;
    const cafi_point *l = face->landmark;
    double pixels = pixels_of(b), sum = 0.0;
    double eyes = hypot((double)(l[1].x - l[0].x), (double)(l[1].y - l[0].y)) / pixels;
    cafi_point at;
    const cafi_face *again = find(seen, face, which, cols, &at);

    if (!again || !(eyes > 0.0))
        return INFINITY;
    for (int k = 0; k < CAFI_LANDMARKS; k++) {
        const cafi_point *m = &again->landmark[mirrored[k]];
        double x = ((double)l[k].x + 0.5 - 0.5 * (double)(b->x1 + b->x2)) / pixels;
        double y = ((double)l[k].y + 0.5 - 0.5 * (double)(b->y1 + b->y2)) / pixels;
        double dx = (double)(at.x - m->x) - 0.5 - x, dy = (double)(m->y - at.y) + 0.5 - y;

        sum += dx * dx + dy * dy;
    }
    sum = sqrt(sum / CAFI_LANDMARKS) / eyes;
    return isfinite(sum) ? sum : INFINITY;
}
