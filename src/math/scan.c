#include "math/scan.h"

#include <math.h>
#include <string.h>

#include "math/half.h"

void cafi_scan_rows_plain(float *out, size_t ldo, const float *rows, size_t R, size_t K,
                          const float *queries, size_t Q)
{
    for (size_t j = 0; j < Q; j++)
        for (size_t r = 0; r < R; r++) {
            const float *x = rows + r * K, *q = queries + j * K;
            float sum = 0.0f;

            for (size_t k = 0; k < K; k++)
                sum += x[k] * q[k];
            out[j * ldo + r] = sum;
        }
}

void cafi_scan_halves_plain(float *out, size_t ldo, const uint16_t *rows, size_t R, size_t K,
                            const float *queries, size_t Q)
{
    for (size_t j = 0; j < Q; j++)
        for (size_t r = 0; r < R; r++) {
            float sum = 0.0f;

            for (size_t k = 0; k < K; k++)
                sum += cafi_f16_to_f32(rows[r * K + k]) * queries[j * K + k];
            out[j * ldo + r] = sum;
        }
}

void cafi_scan_codes_plain(float *out, size_t ldo, const uint8_t *rows, size_t R, size_t K,
                           const int8_t *queries, const int32_t *bias, size_t Q)
{
    for (size_t j = 0; j < Q; j++)
        for (size_t r = 0; r < R; r++) {
            int32_t sum = bias[j];

            for (size_t k = 0; k < K; k++)
                sum += rows[r * K + k] * queries[j * K + k];
            out[j * ldo + r] = (float)sum;
        }
}

/* Columns of the panel that begins at column j of J. */
static size_t panel_width(size_t J, size_t j)
{
    return J - j >= CAFI_CODE_PANEL ? CAFI_CODE_PANEL : CAFI_CODE_NARROW;
}

cafi_packed_codes cafi_pack_codes(int8_t *w, int32_t *b, const int8_t *queries, const int32_t *bias,
                                  size_t Q, size_t K)
{
    size_t J = (Q + CAFI_CODE_NARROW - 1) / CAFI_CODE_NARROW * CAFI_CODE_NARROW;
    size_t width = 0;

    for (size_t first = 0; first < J; first += width) {
        int8_t *panel = w + first * K;

        width = panel_width(J, first);
        for (size_t j = first; j < first + width; j++)
            for (size_t k = 0; k < K; k++)
                panel[(k / 4 * width + j - first) * 4 + k % 4] = j < Q ? queries[j * K + k] : 0;
    }
    for (size_t j = 0; j < J; j++)
        b[j] = j < Q ? bias[j] : 0;
    return (cafi_packed_codes){.K = K, .J = J, .w = w, .bias = b};
}

void cafi_linear_codes_plain(float *out, size_t ldo, const uint8_t *rows, size_t R,
                             const cafi_packed_codes *w)
{
    size_t width = 0;

    for (size_t first = 0; first < w->J; first += width) {
        const int8_t *panel = w->w + first * w->K;

        width = panel_width(w->J, first);
        for (size_t r = 0; r < R; r++) {
            int32_t sum[CAFI_CODE_PANEL];

            memcpy(sum, w->bias + first, width * sizeof *sum);
            for (size_t k = 0; k < w->K; k++)
                for (size_t j = 0; j < width; j++)
                    sum[j] += rows[r * w->K + k] * panel[(k / 4 * width + j) * 4 + k % 4];
            for (size_t j = 0; j < width; j++)
                out[r * ldo + first + j] = (float)sum[j];
        }
    }
}

size_t cafi_sift_plain(uint32_t *place, const float *score, size_t n, const cafi_sieve *s)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        float error = s->a[i] * s->of.a + s->b[i] * s->of.b;

        if (score[i] * (s->scale[i] * s->of.scale) + error >= s->limit[i * s->limit_step])
            place[count++] = (uint32_t)i;
    }
    return count;
}

void cafi_widen_plain(float *out, const uint16_t *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = cafi_f16_to_f32(in[i]);
}

void cafi_narrow_plain(uint16_t *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = cafi_f32_to_f16(in[i]);
}

double cafi_ordered_dot_plain(const float *a, const float *b, size_t n)
{
    double sum[16] = {0};

    for (size_t k = 0; k < n; k++)
        sum[k % 16] += (double)a[k] * (double)b[k];
    for (size_t apart = 8; apart; apart /= 2)
        for (size_t i = 0; i < apart; i++)
            sum[i] += sum[i + apart];
    return sum[0];
}

/* Sums of a few columns each, so that the compiler may use vectors. */
#define LANES 16

static float total(const float *lane)
{
    float sum = 0.0f;

    for (size_t i = 0; i < LANES; i++)
        sum += lane[i];
    return sum;
}

/* Adding 1.5 * 2^23 rounds to a whole number, which is then the low bits of the float's. */
static inline float whole(float v)
{
    return (v + 0x1.8p23f) - 0x1.8p23f;
}

/* The lanes' sums of squares of c and of what it leaves out of x, n of them. */
static inline void code_lanes(uint8_t *codes, float *square, float *rest, const float *x,
                              float inverse, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float c = whole(x[i] * inverse);
        float left = x[i] - scale * c;

        codes[i] = (uint8_t)((int32_t)c + 128);
        square[i] += c * c;
        rest[i] += left * left;
    }
}

static float largest(const float *x, size_t n)
{
    float top[LANES] = {0};
    float most = 0.0f;

    for (size_t k = 0; k + LANES <= n; k += LANES)
        for (size_t i = 0; i < LANES; i++)
            top[i] = fabsf(x[k + i]) > top[i] ? fabsf(x[k + i]) : top[i];
    for (size_t k = n - n % LANES; k < n; k++)
        most = fabsf(x[k]) > most ? fabsf(x[k]) : most;
    for (size_t i = 0; i < LANES; i++)
        most = top[i] > most ? top[i] : most;
    return most;
}

/* What is rounded on the way: 1/127 of a code's step through scale and inverse, so that a
 * code never exceeds 127.5; a number's share of 2^-23 in scale * c and in the difference,
 * which is added to the error as 2^-22 of the length; and the sums of squares, whose chains
 * are C / 16 + 16 long. */
cafi_coded cafi_code_row(uint8_t *codes, const float *x, size_t C, size_t K)
{
    float most = largest(x, C);
    float scale = most / 127.0f;
    float inverse = 127.0f / most;
    float slack = 1.0f + ((float)C / LANES + 32.0f) * 0x1p-23f;
    float square[LANES] = {0}, rest[LANES] = {0};
    cafi_coded out = {.scale = scale};
    size_t k = 0;

    for (; k + LANES <= C; k += LANES)
        code_lanes(codes + k, square, rest, x + k, inverse, scale, LANES);
    code_lanes(codes + k, square, rest, x + k, inverse, scale, C - k);
    memset(codes + C, 128, K - C);
    out.length = scale * sqrtf(total(square)) * slack;
    out.error = sqrtf(total(rest)) * slack;
    out.error += (out.length + out.error) * 0x1p-22f;
    return out;
}
