#include "backward/rows.h"

#include <cblas.h>
#include <math.h>

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
