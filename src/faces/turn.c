#include "faces/turn.h"

#include <string.h>

/* Edge of the squares that are turned one by one, so that both sides stay in
 * the cache. */
#define TILE 32

static void turn_tile(uint8_t *out, const cafi_view *p, int quarters, size_t x0, size_t y0)
{
    size_t x1 = x0 + TILE < p->width ? x0 + TILE : p->width;
    size_t y1 = y0 + TILE < p->height ? y0 + TILE : p->height;

    for (size_t y = y0; y < y1; y++)
        for (size_t x = x0; x < x1; x++) {
            const uint8_t *from = p->rgb + (y * p->width + x) * 3;
            size_t to = quarters == 1   ? x * p->height + (p->height - 1 - y)
                        : quarters == 2 ? (p->height - 1 - y) * p->width + (p->width - 1 - x)
                                        : (p->width - 1 - x) * p->height + y;

            memcpy(out + to * 3, from, 3);
        }
}

void cafi_turn_pixels(uint8_t *out, const cafi_view *picture, int quarters)
{
    if (quarters == 0) {
        memcpy(out, picture->rgb, picture->width * picture->height * 3);
        return;
    }
    for (size_t y = 0; y < picture->height; y += TILE)
        for (size_t x = 0; x < picture->width; x += TILE)
            turn_tile(out, picture, quarters, x, y);
}

/* Boxes are between corners, landmarks at pixel centres (whole numbers): the
 * two differ by one where a side is counted from its other end. */
static cafi_point back(float x, float y, float width, float height, int quarters)
{
    switch (quarters) {
    case 1:
        return (cafi_point){y, height - x};
    case 2:
        return (cafi_point){width - x, height - y};
    case 3:
        return (cafi_point){width - y, x};
    default:
        return (cafi_point){x, y};
    }
}

void cafi_turn_back(cafi_face *face, size_t width, size_t height, int quarters)
{
    const cafi_box b = face->box;
    float w = (float)width, h = (float)height;
    cafi_point p = back(b.x1, b.y1, w, h, quarters), q = back(b.x2, b.y2, w, h, quarters);

    face->box = (cafi_box){p.x < q.x ? p.x : q.x, p.y < q.y ? p.y : q.y, p.x < q.x ? q.x : p.x,
                           p.y < q.y ? q.y : p.y};
    for (int i = 0; i < CAFI_LANDMARKS; i++)
        face->landmark[i] =
            back(face->landmark[i].x, face->landmark[i].y, w - 1.0f, h - 1.0f, quarters);
}
