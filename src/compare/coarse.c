#include "compare/coarse.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "faces/align.h"

enum { N = 8, BLOCKS = CAFI_CROP_SIDE / N };
#define STEPS 5.0

/* ITU-T T.81, tables K.1 and K.2. */
static const uint8_t luma[N * N] = {16,  11,  10,  16,  24, 40, 51,  61,  12,  12,  14,  19,  26,
                                    58,  60,  55,  14,  13, 16, 24,  40,  57,  69,  56,  14,  17,
                                    22,  29,  51,  87,  80, 62, 18,  22,  37,  56,  68,  109, 103,
                                    77,  24,  35,  55,  64, 81, 104, 113, 92,  49,  64,  78,  87,
                                    103, 121, 120, 101, 72, 92, 95,  98,  112, 100, 103, 99};
static const uint8_t colour[N * N] = {
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99,
    99, 99, 47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99};

/* The orthonormal transform of a block, or its inverse: rows, then columns. */
static void transform(double *block, bool back)
{
    const double pi = acos(-1.0);
    double out[N * N];

    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < N; i++)
            for (int k = 0; k < N; k++) {
                double sum = 0.0;

                for (int j = 0; j < N; j++) {
                    int u = back ? j : k, x = back ? k : j;

                    sum += block[i * N + j] * sqrt((u ? 2.0 : 1.0) / N) *
                           cos((2 * x + 1) * u * pi / (2 * N));
                }
                out[k * N + i] = sum; /* turned, so that the second pass has the columns */
            }
        for (int i = 0; i < N * N; i++)
            block[i] = out[i];
    }
}

static void round_block(double *block, const uint8_t *steps)
{
    transform(block, false);
    for (int i = 0; i < N * N; i++)
        block[i] = rint(block[i] / (STEPS * steps[i])) * STEPS * steps[i];
    transform(block, true);
}

static uint8_t byte(double x)
{
    return (uint8_t)rint(fmin(255.0, fmax(0.0, x)));
}

static void coarse_block(uint8_t *corner)
{
    double y[N * N], blue[N * N], red[N * N];

    for (size_t i = 0; i < (size_t)N * N; i++) {
        const uint8_t *p = corner + (i / N * CAFI_CROP_SIDE + i % N) * 3;
        double grey = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];

        y[i] = grey - 128.0;
        blue[i] = (p[2] - grey) * 0.564;
        red[i] = (p[0] - grey) * 0.713;
    }
    round_block(y, luma);
    round_block(blue, colour);
    round_block(red, colour);
    for (size_t i = 0; i < (size_t)N * N; i++) {
        uint8_t *p = corner + (i / N * CAFI_CROP_SIDE + i % N) * 3;
        double grey = y[i] + 128.0, r = grey + red[i] / 0.713, b = grey + blue[i] / 0.564;

        p[0] = byte(r);
        p[1] = byte((grey - 0.299 * r - 0.114 * b) / 0.587);
        p[2] = byte(b);
    }
}

void cafi_coarse(uint8_t *crop)
{
    for (size_t i = 0; i < (size_t)BLOCKS * BLOCKS; i++)
        coarse_block(crop + (i / BLOCKS * N * CAFI_CROP_SIDE + i % BLOCKS * N) * 3);
}
