#include "math/rows.h"

#include <cblas.h>
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

double cafi_exp_sum_plain(const float *w, const float *x, float scale, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        float v = scale * x[i];

        sum += (double)(w[i] * expf(v > -87.0f ? v : -87.0f));
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

void cafi_layernorm_bwd_plain(float *dx, float *dgamma, float *dbeta, const float *dy,
                              const float *x, const float *stats, const float *gamma, size_t R,
                              size_t K)
{
    for (size_t r = 0; r < R; r++) {
        const float *in = x + r * K;
        const float *d = dy + r * K;
        float mean = stats[2 * r];
        float scale = stats[2 * r + 1];
        float sum = 0.0f;
        float along = 0.0f;

        for (size_t k = 0; k < K; k++) {
            float unit = (in[k] - mean) * scale;
            float g = d[k] * gamma[k];

            dgamma[k] += d[k] * unit;
            dbeta[k] += d[k];
            sum += g;
            along += g * unit;
        }
        sum /= (float)K;
        along /= (float)K;
        for (size_t k = 0; k < K; k++)
            dx[r * K + k] += scale * (d[k] * gamma[k] - sum - (in[k] - mean) * scale * along);
    }
}

void cafi_gelu_save_plain(float *y, float *slope, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float v = x[i];
        float below = 0.5f + 0.5f * erff(v * 0.70710678f);

        y[i] = v * below;
        slope[i] = below + v * 0.39894228f * expf(-0.5f * v * v);
    }
}

void cafi_gelu_bwd_plain(float *dx, const float *dy, const float *slope, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = dy[i] * slope[i];
}

void cafi_softmax_columns_bwd_plain(float *dx, const float *dy, const float *y, size_t M, size_t N)
{
    for (size_t n = 0; n < N; n++) {
        float along = 0.0f;

        for (size_t m = 0; m < M; m++)
            along += y[m * N + n] * dy[m * N + n];
        for (size_t m = 0; m < M; m++)
            dx[m * N + n] = y[m * N + n] * (dy[m * N + n] - along);
    }
}

void cafi_column_sums_plain(float *sum, const float *x, size_t ldx, size_t R, size_t K)
{
    for (size_t r = 0; r < R; r++)
        for (size_t k = 0; k < K; k++)
            sum[k] += x[r * ldx + k];
}

void cafi_prelu_fwd(float *y, const float *x, float slope, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] > 0.0f ? x[i] : slope * x[i];
}

void cafi_prelu_bwd(float *dx, float *dslope, const float *dy, const float *x, float slope,
                    size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        float d = dy[i];

        sum += x[i] > 0.0f ? 0.0 : (double)(d * x[i]);
        dx[i] = x[i] > 0.0f ? d : d * slope;
    }
    *dslope += (float)sum;
}

void cafi_style_mix_bwd(float *dw, const float *dz, const float *s, size_t R, size_t S)
{
    for (size_t r = 0; r < R; r++)
        for (size_t c = 0; c < S; c++) {
            dw[2 * c] += dz[r * S + c] * s[(r * S + c) * 2];
            dw[2 * c + 1] += dz[r * S + c] * s[(r * S + c) * 2 + 1];
        }
}

void cafi_mix_rows_bwd(float *dx, float *dw, float *db, const float *dy, const float *x,
                       const float *w, size_t M, size_t J, size_t K)
{
    for (size_t j = 0; j < J; j++) {
        double sum = 0.0;

        for (size_t k = 0; k < K; k++)
            sum += (double)dy[j * K + k];
        db[j] += (float)sum;
        for (size_t m = 0; m < M; m++) {
            dw[j * M + m] += cblas_sdot((int)K, dy + j * K, 1, x + m * K, 1);
            cblas_saxpy((int)K, w[j * M + m], dy + j * K, 1, dx + m * K, 1);
        }
    }
}
