#include "faces/draw.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* Height of a line of letters that are no dots, in pens. */
#define LINE_DOTS 9.0

/* After Okabe and Ito (2008), the yellow darker and black left out. */
cafi_paint cafi_paint_of(size_t n)
{
    static const cafi_paint inks[] = {{230, 159, 0}, {86, 180, 233}, {0, 158, 115},  {240, 228, 66},
                                      {0, 114, 178}, {213, 94, 0},   {204, 121, 167}};

    return inks[n % (sizeof inks / sizeof *inks)];
}

static void fill(const cafi_drawing *to, double x1, double y1, double x2, double y2, cafi_paint ink)
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

void cafi_draw_face(const cafi_drawing *to, const cafi_face *face, cafi_paint ink)
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

/* Rows of five dots, the leftmost in bit 4: what names and numbers need. */
static const struct {
    char letter;
    uint8_t rows[7];
} glyphs[] = {
    {'?', {14, 17, 1, 2, 4, 0, 4}},      {' ', {0, 0, 0, 0, 0, 0, 0}},
    {'.', {0, 0, 0, 0, 0, 12, 12}},      {'-', {0, 0, 0, 31, 0, 0, 0}},
    {'_', {0, 0, 0, 0, 0, 0, 31}},       {'x', {0, 0, 17, 10, 4, 10, 17}},
    {'0', {14, 17, 19, 21, 25, 17, 14}}, {'1', {4, 12, 4, 4, 4, 4, 14}},
    {'2', {14, 17, 1, 2, 4, 8, 31}},     {'3', {31, 2, 4, 2, 1, 17, 14}},
    {'4', {2, 6, 10, 18, 31, 2, 2}},     {'5', {31, 16, 30, 1, 1, 17, 14}},
    {'6', {6, 8, 16, 30, 17, 17, 14}},   {'7', {31, 1, 2, 4, 8, 8, 8}},
    {'8', {14, 17, 17, 14, 17, 17, 14}}, {'9', {14, 17, 17, 15, 1, 2, 12}},
    {'A', {14, 17, 17, 31, 17, 17, 17}}, {'B', {30, 17, 17, 30, 17, 17, 30}},
    {'C', {14, 17, 16, 16, 16, 17, 14}}, {'D', {30, 17, 17, 17, 17, 17, 30}},
    {'E', {31, 16, 16, 30, 16, 16, 31}}, {'F', {31, 16, 16, 30, 16, 16, 16}},
    {'G', {14, 17, 16, 23, 17, 17, 15}}, {'H', {17, 17, 17, 31, 17, 17, 17}},
    {'I', {14, 4, 4, 4, 4, 4, 14}},      {'J', {7, 2, 2, 2, 2, 18, 12}},
    {'K', {17, 18, 20, 24, 20, 18, 17}}, {'L', {16, 16, 16, 16, 16, 16, 31}},
    {'M', {17, 27, 21, 21, 17, 17, 17}}, {'N', {17, 25, 21, 19, 17, 17, 17}},
    {'O', {14, 17, 17, 17, 17, 17, 14}}, {'P', {30, 17, 17, 30, 16, 16, 16}},
    {'Q', {14, 17, 17, 17, 21, 18, 13}}, {'R', {30, 17, 17, 30, 20, 18, 17}},
    {'S', {15, 16, 16, 14, 1, 1, 30}},   {'T', {31, 4, 4, 4, 4, 4, 4}},
    {'U', {17, 17, 17, 17, 17, 17, 14}}, {'V', {17, 17, 17, 17, 17, 10, 4}},
    {'W', {17, 17, 17, 21, 21, 21, 10}}, {'X', {17, 17, 10, 4, 10, 17, 17}},
    {'Y', {17, 17, 10, 4, 4, 4, 4}},     {'Z', {31, 1, 2, 4, 8, 16, 31}},
};

static const uint8_t *glyph_of(char c)
{
    if (c >= 'a' && c <= 'z' && c != 'x')
        c = (char)(c - 'a' + 'A');
    for (size_t i = 0; i < sizeof glyphs / sizeof *glyphs; i++)
        if (glyphs[i].letter == c)
            return glyphs[i].rows;
    return glyphs[0].rows;
}

/* Bytes that go on a letter of UTF-8 are not letters of their own. */
static bool is_letter(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static uint8_t mixed(uint8_t under, uint8_t over, unsigned part)
{
    return (uint8_t)((under * (255 - part) + over * part + 127) / 255);
}

/* The text of a mask on its plate; false when there is none to be had. */
static bool draw_mask(const cafi_drawing *to, double x, double y, const char *text, cafi_paint ink,
                      cafi_paint dark)
{
    size_t width = 0, height = 0;
    uint8_t *mask =
        to->letters ? to->letters(text, (size_t)(LINE_DOTS * pen(to)), &width, &height) : NULL;
    double left = fmax(0.0, fmin(rint(x), (double)to->width - (double)width));
    double top = fmax(0.0, fmin(rint(y) - (double)height, (double)to->height - (double)height));

    if (!mask)
        return false;
    fill(to, left, top, left + (double)width, top + (double)height, ink);
    for (size_t row = 0; row < height && (size_t)top + row < to->height; row++)
        for (size_t col = 0; col < width && (size_t)left + col < to->width; col++) {
            uint8_t *p = to->rgb + (((size_t)top + row) * to->width + (size_t)left + col) * 3;
            unsigned part = mask[row * width + col];

            p[0] = mixed(p[0], dark.r, part);
            p[1] = mixed(p[1], dark.g, part);
            p[2] = mixed(p[2], dark.b, part);
        }
    free(mask);
    return true;
}

void cafi_draw_text(const cafi_drawing *to, double x, double y, const char *text, cafi_paint ink)
{
    const cafi_paint dark = {20, 20, 20};
    double dot = pen(to), letters = 0.0, left = 0.0, top = 0.0;

    if (draw_mask(to, x, y, text, ink, dark))
        return;

    for (const char *c = text; *c; c++)
        letters += is_letter(*c);
    left = fmax(0.0, fmin(rint(x), (double)to->width - (6.0 * letters + 1.0) * dot));
    top = fmax(0.0, fmin(rint(y) - 9.0 * dot, (double)to->height - 9.0 * dot));
    fill(to, left, top, left + (6.0 * letters + 1.0) * dot, top + 9.0 * dot, ink);
    for (; *text; text++) {
        const uint8_t *rows = glyph_of(*text);

        if (!is_letter(*text))
            continue;
        for (int row = 0; row < 7; row++)
            for (int col = 0; col < 5; col++)
                if (rows[row] >> (4 - col) & 1) {
                    double px = left + (col + 1.0) * dot, py = top + (row + 1.0) * dot;
                    fill(to, px, py, px + dot, py + dot, dark);
                }
        left += 6.0 * dot;
    }
}

double cafi_draw_text_below(const cafi_drawing *to)
{
    return 13.0 * pen(to);
}

void cafi_draw_bar(const cafi_drawing *to, const cafi_box *box, double part, cafi_paint ink)
{
    const cafi_paint dark = {20, 20, 20};
    double w = pen(to), x1 = rint(box->x1), x2 = rint(box->x2), y = rint(box->y2) + w;

    fill(to, x1, y, x2, y + 2.0 * w, dark);
    fill(to, x1, y, x1 + (x2 - x1) * fmin(1.0, fmax(0.0, part)), y + 2.0 * w, ink);
}
