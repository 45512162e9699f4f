#include "faces/draw.h"

#include <math.h>
#include <stdio.h>

/* After Okabe and Ito (2008), the yellow darker and black left out. */
cafi_ink cafi_ink_of(size_t n)
{
    static const cafi_ink inks[] = {{230, 159, 0}, {86, 180, 233}, {0, 158, 115},  {240, 228, 66},
                                    {0, 114, 178}, {213, 94, 0},   {204, 121, 167}};

    return inks[n % (sizeof inks / sizeof *inks)];
}

static void fill(const cafi_drawing *to, double x1, double y1, double x2, double y2, cafi_ink ink)
{
    double right = fmin((double)to->width, x2), bottom = fmin((double)to->height, y2);

    for (double y = fmax(0.0, y1); y < bottom; y += 1.0)
        for (double x = fmax(0.0, x1); x < right; x += 1.0) {
            uint8_t *p = to->rgb + ((size_t)y * to->width + (size_t)x) * 3;

            p[0] = ink.r;
            p[1] = ink.g;
            p[2] = ink.b;
        }
}

/* Line width for this picture: a 400th of its longer side. */
static double pen(const cafi_drawing *to)
{
    return fmax(1.0, rint(fmax((double)to->width, (double)to->height) / 400.0));
}

void cafi_draw_face(const cafi_drawing *to, const cafi_face *face, cafi_ink ink)
{
    double w = pen(to);
    double x1 = rint(face->box.x1), y1 = rint(face->box.y1);
    double x2 = rint(face->box.x2), y2 = rint(face->box.y2);

    fill(to, x1, y1, x2, y1 + w, ink);
    fill(to, x1, y2 - w, x2, y2, ink);
    fill(to, x1, y1, x1 + w, y2, ink);
    fill(to, x2 - w, y1, x2, y2, ink);
    for (int i = 0; i < CAFI_LANDMARKS; i++) {
        double x = rint(face->landmark[i].x), y = rint(face->landmark[i].y);

        fill(to, x - w, y - w, x + w, y + w, ink);
    }
}

/* Rows of five dots, the leftmost in bit 4. */
static const uint8_t glyphs[11][7] = {
    {14, 17, 19, 21, 25, 17, 14}, {4, 12, 4, 4, 4, 4, 14},  {14, 17, 1, 2, 4, 8, 31},
    {31, 2, 4, 2, 1, 17, 14},     {2, 6, 10, 18, 31, 2, 2}, {31, 16, 30, 1, 1, 17, 14},
    {6, 8, 16, 30, 17, 17, 14},   {31, 1, 2, 4, 8, 8, 8},   {14, 17, 17, 14, 17, 17, 14},
    {14, 17, 17, 15, 1, 2, 12},   {0, 0, 0, 31, 0, 0, 0},
};

void cafi_draw_number(const cafi_drawing *to, double x, double y, int64_t number, cafi_ink ink)
{
    const cafi_ink dark = {20, 20, 20};
    char text[24];
    int length = snprintf(text, sizeof text, "%lld", (long long)number);
    double dot = pen(to);
    double left = rint(x), top = rint(y) - 9.0 * dot;

    fill(to, left, top, left + (6.0 * length + 1.0) * dot, top + 9.0 * dot, ink);
    for (int i = 0; i < length; i++) {
        const uint8_t *glyph = glyphs[text[i] == '-' ? 10 : text[i] - '0'];

        for (int row = 0; row < 7; row++)
            for (int col = 0; col < 5; col++)
                if (glyph[row] >> (4 - col) & 1) {
                    double px = left + (6.0 * i + col + 1.0) * dot, py = top + (row + 1.0) * dot;
                    fill(to, px, py, px + dot, py + dot, dark);
                }
    }
}
