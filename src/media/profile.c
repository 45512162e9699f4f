#include "media/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Steps of the table that finds a byte of sRGB near a linear value. */
#define STEPS 4096
/* Header, tag count, entries of twelve bytes. */
#define HEADER 128
#define MAX_TAGS 256

typedef struct tag {
    const unsigned char *bytes; /* NULL: not there */
    size_t size;
} tag;

typedef struct transform {
    float linear[3][256]; /* by channel and byte */
    float matrix[3][3];   /* linear colours of the profile to those of sRGB */
    float limit[257]; /* a linear value of limit[v] and more is at least v; the last is above all */
    uint8_t near[STEPS + 1];
} transform;

void cafi_image_about_clear(cafi_image_about *about)
{
    free(about->profile);
    *about = (cafi_image_about){.orientation = 1};
}

void cafi_image_about_keep(cafi_image_about *about, const unsigned char *profile, size_t size)
{
    caface_error err;

    if (!size || size > CAFI_PROFILE_MAX || about->profile ||
        cafi_alloc_bytes(&about->profile, size, &err))
        return;
    memcpy(about->profile, profile, size);
    about->profile_size = size;
}

/* ---- the file -------------------------------------------------------------- */

static uint32_t u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* s15Fixed16Number */
static double fixed(const unsigned char *p)
{
    uint32_t v = u32(p);

    return (double)(v & 0x7fffffffu) / 65536.0 - (v >> 31 ? 32768.0 : 0.0);
}

static tag find_tag(const unsigned char *profile, size_t size, const char *name)
{
    uint32_t count = u32(profile + HEADER);

    for (size_t i = 0; i < count && i < MAX_TAGS && HEADER + 16 + 12 * i <= size; i++) {
        const unsigned char *entry = profile + HEADER + 4 + 12 * i;
        size_t at = u32(entry + 4), n = u32(entry + 8);

        if (memcmp(entry, name, 4) == 0)
            return at <= size && n <= size - at && n >= 12 ? (tag){profile + at, n} : (tag){0};
    }
    return (tag){0};
}

/* curveType: nothing, a gamma, or a table over 0 .. 1. */
static bool read_curve(tag t, float out[256])
{
    size_t n = u32(t.bytes + 8);

    if (n > (t.size - 12) / 2)
        return false;
    for (int v = 0; v < 256; v++) {
        double x = v / 255.0, at = x * (double)(n ? n - 1 : 0);
        size_t low = (size_t)at, high = low + 1 < n ? low + 1 : low;

        if (n == 0)
            out[v] = (float)x;
        else if (n == 1)
            out[v] = (float)pow(x, (t.bytes[12] * 256 + t.bytes[13]) / 256.0);
        else {
            const unsigned char *a = t.bytes + 12 + 2 * low, *b = t.bytes + 12 + 2 * high;
            double from = a[0] * 256 + a[1], to = b[0] * 256 + b[1];

            out[v] = (float)((from + (to - from) * (at - (double)low)) / 65535.0);
        }
    }
    return true;
}

/* parametricCurveType: g a b c d e f, of which each function type has the first few. */
static bool read_formula(tag t, float out[256])
{
    static const size_t counts[] = {1, 3, 4, 5, 7};
    size_t type = (size_t)t.bytes[8] * 256 + t.bytes[9];
    double p[7] = {1, 1, 0, 0, 0, 0, 0};

    if (type > 4 || (t.size - 12) / 4 < counts[type])
        return false;
    for (size_t i = 0; i < counts[type]; i++)
        p[i] = fixed(t.bytes + 12 + 4 * i);
    for (int v = 0; v < 256; v++) {
        double x = v / 255.0, base = p[1] * x + p[2];
        bool above = type < 1 || (type < 3 ? base >= 0 : x >= p[4]);
        double y = 0.0;

        if (above)
            y = pow(base > 0 ? base : 0, p[0]) + (type == 2 ? p[3] : type == 4 ? p[5] : 0);
        else
            y = type == 2 ? p[3] : type == 3 ? p[3] * x : type == 4 ? p[3] * x + p[6] : 0;
        out[v] = (float)(y < 0 ? 0 : y > 1 ? 1 : y);
        if (!(out[v] >= 0.0f))
            return false; /* a NaN */
    }
    return true;
}

static bool read_channel(const unsigned char *profile, size_t size, const char *name,
                         float out[256])
{
    tag t = find_tag(profile, size, name);

    if (!t.bytes)
        return false;
    return memcmp(t.bytes, "curv", 4) == 0   ? read_curve(t, out)
           : memcmp(t.bytes, "para", 4) == 0 ? read_formula(t, out)
                                             : false;
}

/* ---- the way to sRGB ----------------------------------------------------------- */

/* X Y Z of sRGB's red, green and blue, seen under D50, as its profile has them. */
static const double srgb[3][3] = {{0.4360747, 0.3850649, 0.1430804},
                                  {0.2225045, 0.7168786, 0.0606169},
                                  {0.0139322, 0.0971045, 0.7141733}};

static void invert(const double m[3][3], double out[3][3])
{
    double det = 0.0;

    for (int i = 0; i < 3; i++)
        det += m[0][i] *
               (m[1][(i + 1) % 3] * m[2][(i + 2) % 3] - m[1][(i + 2) % 3] * m[2][(i + 1) % 3]);
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 3; c++)
            out[c][r] = (m[(r + 1) % 3][(c + 1) % 3] * m[(r + 2) % 3][(c + 2) % 3] -
                         m[(r + 1) % 3][(c + 2) % 3] * m[(r + 2) % 3][(c + 1) % 3]) /
                        det;
}

static bool read_matrix(const unsigned char *profile, size_t size, float out[3][3])
{
    static const char *const names[] = {"rXYZ", "gXYZ", "bXYZ"};
    double to[3][3];

    invert(srgb, to);
    for (int c = 0; c < 3; c++) {
        tag t = find_tag(profile, size, names[c]);

        if (!t.bytes || t.size < 20)
            return false;
        for (int r = 0; r < 3; r++)
            out[r][c] = (float)(to[r][0] * fixed(t.bytes + 8) + to[r][1] * fixed(t.bytes + 12) +
                                to[r][2] * fixed(t.bytes + 16));
    }
    return true;
}

/* The linear value of sRGB. */
static double linear_of(double v)
{
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static void make_limits(transform *t)
{
    uint8_t v = 0;

    t->limit[0] = 0.0f;
    for (int i = 1; i < 256; i++)
        t->limit[i] = (float)linear_of((i - 0.5) / 255.0);
    t->limit[256] = 2.0f;
    for (int s = 0; s <= STEPS; s++) {
        while ((double)t->limit[v + 1] <= (double)s / STEPS)
            v++;
        t->near[s] = v;
    }
}

static uint8_t byte_of(const transform *t, float linear)
{
    float x = linear > 0.0f ? linear < 1.0f ? linear : 1.0f : 0.0f;
    uint8_t v = t->near[(size_t)(x * STEPS)];

    while (x >= t->limit[v + 1])
        v++;
    return v;
}

static void apply(const transform *t, uint8_t *rgb, size_t pixels)
{
    for (size_t i = 0; i < pixels; i++, rgb += 3) {
        float r = t->linear[0][rgb[0]], g = t->linear[1][rgb[1]], b = t->linear[2][rgb[2]];

        for (int c = 0; c < 3; c++)
            rgb[c] = byte_of(t, t->matrix[c][0] * r + t->matrix[c][1] * g + t->matrix[c][2] * b);
    }
}

/* Would the transform change next to nothing? Over a grid of 17 values a channel. */
static bool is_srgb(const transform *t)
{
    for (int i = 0; i < 17 * 17 * 17; i++) {
        const uint8_t from[3] = {(uint8_t)(i / 289 * 255 / 16), (uint8_t)(i / 17 % 17 * 255 / 16),
                                 (uint8_t)(i % 17 * 255 / 16)};
        uint8_t to[3] = {from[0], from[1], from[2]};

        apply(t, to, 1);
        for (int c = 0; c < 3; c++)
            if (abs(to[c] - from[c]) > CAFI_PROFILE_SAME)
                return false;
    }
    return true;
}

bool cafi_profile_to_srgb(const unsigned char *profile, size_t size, cafi_image *image)
{
    static const char *const names[] = {"rTRC", "gTRC", "bTRC"};
    transform t;

    if (size < HEADER + 4 || memcmp(profile + 16, "RGB XYZ ", 8) != 0 ||
        memcmp(profile + 36, "acsp", 4) != 0)
        return false;
    /* tables from device to colour come first where a profile has them: not ours */
    if (find_tag(profile, size, "A2B0").bytes || !read_matrix(profile, size, t.matrix))
        return false;
    for (int c = 0; c < 3; c++)
        if (!read_channel(profile, size, names[c], t.linear[c]))
            return false;
    make_limits(&t);
    if (is_srgb(&t))
        return false;
    apply(&t, image->rgb, image->width * image->height);
    return true;
}
