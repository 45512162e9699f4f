#include "backward/simd/names.h"
#include "math/simd/vector.h"

#define LOG2_E 1.44269504f

void cafi_simd_layernorm_bwd(float *dx, float *dgamma, float *dbeta, const float *dy,
                             const float *x, const float *stats, const float *gamma, size_t R,
                             size_t K)
{
    for (size_t r = 0; r < R; r++) {
        const float *in = x + r * K;
        const float *d = dy + r * K;
        vf mean = vf_all(stats[2 * r]);
        vf scale = vf_all(stats[2 * r + 1]);
        vf sum = vf_zero();
        vf along = vf_zero();

        for (size_t k = 0; k < K; k += VF) {
            size_t left = K - k;
            vf dk = vf_load_n(d + k, left);
            vf unit = vf_mul(vf_sub(vf_load_n(in + k, left), mean), scale);
            vf g = vf_mul(dk, vf_load_n(gamma + k, left));

            vf_store_n(dgamma + k, vf_fma(dk, unit, vf_load_n(dgamma + k, left)), left);
            vf_store_n(dbeta + k, vf_add(dk, vf_load_n(dbeta + k, left)), left);
            sum = vf_add(sum, g);
            along = vf_fma(g, unit, along);
        }
        sum = vf_all(vf_sum(sum) / (float)K);
        along = vf_all(vf_sum(along) / (float)K);
        for (size_t k = 0; k < K; k += VF) {
            size_t left = K - k;
            vf g = vf_mul(vf_load_n(d + k, left), vf_load_n(gamma + k, left));
            vf unit = vf_mul(vf_sub(vf_load_n(in + k, left), mean), scale);
            vf inner = vf_fnma(unit, along, vf_sub(g, sum));

            vf_store_n(dx + r * K + k, vf_fma(scale, inner, vf_load_n(dx + r * K + k, left)), left);
        }
    }
}

void cafi_simd_gelu_save(float *y, float *slope, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += VF) {
        vf v = vf_load_n(x + i, n - i);
        vf half = vf_all(0.5f);
        vf below = vf_fma(half, vf_erf(vf_mul(v, vf_all(0.70710678f))), half);
        vf bell = vf_exp2(vf_mul(vf_mul(v, v), vf_all(-0.5f * LOG2_E)));

        vf_store_n(y + i, vf_mul(v, below), n - i);
        vf_store_n(slope + i, vf_fma(vf_mul(v, vf_all(0.39894228f)), bell, below), n - i);
    }
}

void cafi_simd_gelu_bwd(float *dx, const float *dy, const float *slope, size_t n)
{
    for (size_t i = 0; i < n; i += VF)
        vf_store_n(dx + i, vf_mul(vf_load_n(dy + i, n - i), vf_load_n(slope + i, n - i)), n - i);
}

void cafi_simd_softmax_columns_bwd(float *dx, const float *dy, const float *y, size_t M, size_t N)
{
    for (size_t n = 0; n < N; n += VF) {
        size_t left = N - n;
        vf along = vf_zero();

        for (size_t m = 0; m < M; m++)
            along = vf_fma(vf_load_n(y + m * N + n, left), vf_load_n(dy + m * N + n, left), along);
        for (size_t m = 0; m < M; m++) {
            vf d = vf_sub(vf_load_n(dy + m * N + n, left), along);

            vf_store_n(dx + m * N + n, vf_mul(vf_load_n(y + m * N + n, left), d), left);
        }
    }
}

void cafi_simd_column_sums(float *sum, const float *x, size_t ldx, size_t R, size_t K)
{
    for (size_t k = 0; k < K; k += VF) {
        vf s = vf_load_n(sum + k, K - k);

        for (size_t r = 0; r < R; r++)
            s = vf_add(s, vf_load_n(x + r * ldx + k, K - k));
        vf_store_n(sum + k, s, K - k);
    }
}
