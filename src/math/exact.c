#include "math/exact.h"

#include <string.h>

/* Of lo, what is worth a unit of hi. */
#define UNIT ((int64_t)1 << 40)

static int64_t bits_of(double v)
{
    int64_t bits = 0;

    memcpy(&bits, &v, sizeof bits);
    return bits;
}

void cafi_exact_add(int64_t *hi, int64_t *lo, double x)
{
    double high = x + CAFI_EXACT_HIGH;
    double low = x - (high - CAFI_EXACT_HIGH) + CAFI_EXACT_LOW;

    *hi += bits_of(high) - bits_of(CAFI_EXACT_HIGH);
    *lo += bits_of(low) - bits_of(CAFI_EXACT_LOW);
}

void cafi_exact_sum_plain(int64_t *hi, int64_t *lo, const double *w, const float *x, size_t ldx,
                          size_t R, size_t M, size_t K)
{
    for (size_t r = 0; r < R; r++)
        for (size_t m = 0; m < M; m++)
            for (size_t k = 0; k < K; k++)
                cafi_exact_add(hi + m * K + k, lo + m * K + k,
                               w[r * M + m] * (double)x[r * ldx + k]);
}

/* lo in 0 .. UNIT - 1, the rest in hi: toward minus infinity, which a division is not. */
static inline void carry(int64_t *hi, int64_t *lo)
{
    int64_t rest = *lo & (UNIT - 1);

    *hi += (*lo - rest) / UNIT;
    *lo = rest;
}

void cafi_exact_carry(int64_t *hi, int64_t *lo, size_t n)
{
    for (size_t i = 0; i < n; i++)
        carry(hi + i, lo + i);
}

static inline double value(int64_t hi, int64_t lo)
{
    carry(&hi, &lo);
    return (double)hi * 0x1p-8 + (double)lo * 0x1p-48;
}

double cafi_exact_value(int64_t hi, int64_t lo)
{
    return value(hi, lo);
}

void cafi_exact_floats_plain(float *out, const int64_t *hi, const int64_t *lo, double scale,
                             size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(value(hi[i], lo[i]) * scale);
}
