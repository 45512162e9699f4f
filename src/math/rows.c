#include "math/rows.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

void cafi_layernorm_plain(float *y, const float *x, const float *gamma, const float *beta, size_t R,
                          size_t K)
{
    for (size_t r = 0; r < R; r++) {
        const float *in = x + r * K;
        float *out = y + r * K;
        double sum = 0.0;
        double square = 0.0;
        float mean = 0.0f;
        float scale = 0.0f;

        for (size_t k = 0; k < K; k++)
            sum += (double)in[k];
        mean = (float)(sum / (double)K);
        for (size_t k = 0; k < K; k++)
            square += (double)(in[k] - mean) * (double)(in[k] - mean);
        scale = (float)(1.0 / sqrt(square / (double)K + (double)CAFI_LAYERNORM_EPS));
        for (size_t k = 0; k < K; k++)
            out[k] = (in[k] - mean) * scale * gamma[k] + beta[k];
    }
}

void cafi_gelu_plain(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678f));
}

void cafi_softmax_plain(float *y, const float *x, size_t R, size_t K)
{
    for (size_t r = 0; K && r < R; r++) {
        const float *in = x + r * K;
        float *out = y + r * K;
        float top = in[0];
        float sum = 0.0f;
        float inverse = 0.0f;

        for (size_t k = 1; k < K; k++)
            top = in[k] > top ? in[k] : top;
        for (size_t k = 0; k < K; k++) {
            out[k] = expf(in[k] - top);
            sum += out[k];
        }
        inverse = 1.0f / sum;
        for (size_t k = 0; k < K; k++)
            out[k] *= inverse;
    }
}

void cafi_softmax_columns_plain(float *y, const float *x, size_t R, size_t K)
{
    for (size_t k = 0; R && k < K; k++) {
        float top = x[k];
        float sum = 0.0f;

        for (size_t r = 1; r < R; r++)
            top = x[r * K + k] > top ? x[r * K + k] : top;
        for (size_t r = 0; r < R; r++) {
            y[r * K + k] = expf(x[r * K + k] - top);
            sum += y[r * K + k];
        }
        for (size_t r = 0; r < R; r++)
            y[r * K + k] /= sum;
    }
}

void cafi_mix_rows_plain(float *y, const float *x, const float *w, const float *b, size_t M,
                         size_t J, size_t K, cafi_epilogue epilogue)
{
    for (size_t j = 0; j < J; j++)
        for (size_t k = 0; k < K; k++) {
            float *to = y + j * K + k;
            float sum = b[j];

            for (size_t m = 0; m < M; m++)
                sum += w[j * M + m] * x[m * K + k];
            if (epilogue == CAFI_GELU)
                cafi_gelu_plain(&sum, &sum, 1);
            *to = epilogue == CAFI_ADD ? *to + sum : sum;
        }
}

void cafi_style_mix_plain(float *z, const float *s, const float *w, float slope, size_t R, size_t S)
{
    for (size_t r = 0; r < R; r++)
        for (size_t c = 0; c < S; c++) {
            const float *pair = s + (r * S + c) * 2;
            float v = pair[0] * w[2 * c] + pair[1] * w[2 * c + 1];
            z[r * S + c] = v > 0.0f ? v : v * slope;
        }
}

void cafi_norms_plain(float *norm, const float *x, size_t R, size_t K)
{
    for (size_t r = 0; r < R; r++) {
        double sum = 0.0;

        for (size_t k = 0; k < K; k++)
            sum += (double)x[r * K + k] * (double)x[r * K + k];
        norm[r] = (float)sqrt(sum);
    }
}

void cafi_weighted_sum_plain(double *sum, const double *w, const float *x, size_t ldx, size_t R,
                             size_t M, size_t K)
{
    for (size_t r = 0; r < R; r++)
        for (size_t m = 0; m < M; m++) {
            double weight = w[r * M + m];
            double *to = sum + m * K;

            for (size_t k = 0; k < K; k++)
                to[k] += weight * (double)x[r * ldx + k];
        }
}

/* All exponent bits set: NaN or Inf. Looked at as bits, so that no compiler
 * option can reason the test away. */
static uint32_t is_odd_number(float v)
{
    uint32_t bits = 0;

    memcpy(&bits, &v, sizeof bits);
    return (bits & 0x7f800000u) == 0x7f800000u;
}

size_t cafi_finite_rows_plain(const float *x, size_t R, size_t K)
{
    for (size_t r = 0; r < R; r++) {
        uint32_t odd = 0;

        for (size_t k = 0; k < K; k++)
            odd |= is_odd_number(x[r * K + k]);
        if (odd)
            return r;
    }
    return R;
}

void cafi_clip_rows_plain(float *y, const float *x, const float *mean, const float *scale,
                          float most, size_t R, size_t K)
{
    for (size_t r = 0; r < R; r++)
        for (size_t k = 0; k < K; k++) {
            float v = (x[r * K + k] - mean[k]) * scale[k];

            v = v < most ? v : most;
            y[r * K + k] = v > -most ? v : -most;
        }
}

double cafi_exp_pairs_plain(double *met, float own, const float *w, const float *x, float scale,
                            size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        float v = scale * x[i];
        float e = expf(v > -87.0f ? v : -87.0f);

        sum += (double)(w[i] * e);
        met[i] += (double)(own * e);
    }
    return sum;
}

void cafi_dots_plain(double *out, const double *s, const float *x, size_t M, size_t K)
{
    for (size_t m = 0; m < M; m++) {
        out[m] = 0.0;
        for (size_t k = 0; k < K; k++)
            out[m] += s[m * K + k] * (double)x[k];
    }
}

void cafi_layernorm_save_plain(float *y, float *stats, const float *x, const float *gamma,
                               const float *beta, size_t R, size_t K)
{
    for (size_t r = 0; r < R; r++) {
        const float *in = x + r * K;
        float mean = 0.0f;
        float square = 0.0f;

        for (size_t k = 0; k < K; k++)
            mean += in[k];
        mean /= (float)K;
        for (size_t k = 0; k < K; k++)
            square += (in[k] - mean) * (in[k] - mean);
        stats[2 * r] = mean;
        stats[2 * r + 1] = 1.0f / sqrtf(square / (float)K + CAFI_LAYERNORM_EPS);
        for (size_t k = 0; k < K; k++)
            y[r * K + k] = (in[k] - mean) * stats[2 * r + 1] * gamma[k] + beta[k];
    }
}
