#include <math.h>

#include "math/rows.h"
#include "math/simd/names.h"
#include "math/simd/vector.h"

#define LOG2_E 1.44269504f

/* One row of LayerNorm; keeps its mean and scale in stats. K is whole when it is
 * a multiple of the vectors' width, known to the compiler in one of two copies. */
CAFI_INLINE void normalise(float *out, float stats[2], const float *in, const float *gamma,
                           const float *beta, size_t K, const int is_whole)
{
    vf sum = vf_zero();
    vf square = vf_zero();
    vf mean;
    vf scale;

    for (size_t k = 0; k < K; k += VF)
        sum = vf_add(sum, vf_load_n(in + k, is_whole ? VF : K - k));
    stats[0] = vf_sum(sum) / (float)K;
    mean = vf_all(stats[0]);
    for (size_t k = 0; k < K; k += VF) {
        size_t left = is_whole ? VF : K - k;
        vf d = vf_keep_n(vf_sub(vf_load_n(in + k, left), mean), 0.0f, left);

        square = vf_fma(d, d, square);
    }
    stats[1] = 1.0f / sqrtf(vf_sum(square) / (float)K + CAFI_LAYERNORM_EPS);
    scale = vf_all(stats[1]);
    for (size_t k = 0; k < K; k += VF) {
        size_t left = is_whole ? VF : K - k;
        vf d = vf_mul(vf_sub(vf_load_n(in + k, left), mean), scale);

        d = vf_fma(d, vf_load_n(gamma + k, left), vf_load_n(beta + k, left));
        vf_store_n(out + k, d, left);
    }
}

void cafi_simd_layernorm_save(float *y, float *stats, const float *x, const float *gamma,
                              const float *beta, size_t R, size_t K)
{
    for (size_t r = 0; r < R; r++)
        if (K % VF == 0)
            normalise(y + r * K, stats + 2 * r, x + r * K, gamma, beta, K, 1);
        else
            normalise(y + r * K, stats + 2 * r, x + r * K, gamma, beta, K, 0);
}

void cafi_simd_layernorm(float *y, const float *x, const float *gamma, const float *beta, size_t R,
                         size_t K)
{
    float stats[2];

    for (size_t r = 0; r < R; r++)
        cafi_simd_layernorm_save(y + r * K, stats, x + r * K, gamma, beta, 1, K);
}

void cafi_simd_gelu(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += VF)
        vf_store_n(y + i, vf_gelu(vf_load_n(x + i, n - i)), n - i);
}

void cafi_simd_softmax(float *y, const float *x, size_t R, size_t K)
{
    for (size_t r = 0; K && r < R; r++) {
        const float *in = x + r * K;
        float *out = y + r * K;
        vf high = vf_keep_n(vf_load_n(in, K), in[0], K);
        vf sum = vf_zero();
        vf top;
        vf inverse;

        for (size_t k = VF; k < K; k += VF)
            high = vf_max(high, vf_keep_n(vf_load_n(in + k, K - k), in[0], K - k));
        top = vf_all(vf_top(high));
        for (size_t k = 0; k < K; k += VF) {
            vf e = vf_exp2(vf_mul(vf_sub(vf_load_n(in + k, K - k), top), vf_all(LOG2_E)));
            sum = vf_add(sum, vf_keep_n(e, 0.0f, K - k));
            vf_store_n(out + k, e, K - k);
        }
        inverse = vf_all(1.0f / vf_sum(sum));
        for (size_t k = 0; k < K; k += VF)
            vf_store_n(out + k, vf_mul(vf_load_n(out + k, K - k), inverse), K - k);
    }
}

void cafi_simd_softmax_columns(float *y, const float *x, size_t R, size_t K)
{
    for (size_t k = 0; R && k < K; k += VF) {
        size_t n = K - k;
        vf top = vf_load_n(x + k, n);
        vf sum = vf_zero();
        vf inverse;

        for (size_t r = 1; r < R; r++)
            top = vf_max(top, vf_load_n(x + r * K + k, n));
        for (size_t r = 0; r < R; r++) {
            vf e = vf_exp2(vf_mul(vf_sub(vf_load_n(x + r * K + k, n), top), vf_all(LOG2_E)));
            sum = vf_add(sum, e);
            vf_store_n(y + r * K + k, e, n);
        }
        inverse = vf_div(vf_all(1.0f), sum);
        for (size_t r = 0; r < R; r++)
            vf_store_n(y + r * K + k, vf_mul(vf_load_n(y + r * K + k, n), inverse), n);
    }
}

/* NV vectors of one row of a linear layer over rows; of the last one, n columns. */
CAFI_INLINE void mix_vectors(float *to, const float *x, const float *w, float bias, size_t M,
                             size_t K, cafi_epilogue epilogue, const size_t NV, size_t n)
{
    vf sum[4];

    CAFI_UNROLL
    for (size_t v = 0; v < NV; v++)
        sum[v] = vf_all(bias);
    for (size_t m = 0; m < M; m++)
        CAFI_UNROLL
    for (size_t v = 0; v < NV; v++)
        sum[v] = vf_fma(vf_all(w[m]), vf_load_n(x + m * K + v * VF, n), sum[v]);
    CAFI_UNROLL
    for (size_t v = 0; v < NV; v++) {
        if (epilogue == CAFI_GELU)
            sum[v] = vf_gelu(sum[v]);
        else if (epilogue == CAFI_ADD)
            sum[v] = vf_add(vf_load_n(to + v * VF, n), sum[v]);
        vf_store_n(to + v * VF, sum[v], n);
    }
}

void cafi_simd_mix_rows(float *y, const float *x, const float *w, const float *b, size_t M,
                        size_t J, size_t K, cafi_epilogue epilogue)
{
    for (size_t j = 0; j < J; j++) {
        float *to = y + j * K;
        size_t k = 0;

        /* Four side by side hide the latency of the GELU. */
        for (; k + 4 * VF <= K; k += 4 * VF)
            mix_vectors(to + k, x + k, w + j * M, b[j], M, K, epilogue, 4, VF);
        for (; k < K; k += VF)
            mix_vectors(to + k, x + k, w + j * M, b[j], M, K, epilogue, 1, K - k);
    }
}

void cafi_simd_style_mix(float *z, const float *s, const float *w, float slope, size_t R, size_t S)
{
    size_t whole = S - S % VF;

    for (size_t r = 0; r < R; r++) {
        const float *in = s + r * S * 2;
        float *out = z + r * S;

        for (size_t c = 0; c < whole; c += VF) {
            vf s0, s1, w0, w1, v;

            vf_load_pairs(in + 2 * c, &s0, &s1);
            vf_load_pairs(w + 2 * c, &w0, &w1);
            v = vf_fma(s0, w0, vf_mul(s1, w1));
            vf_store(out + c, vf_positive_or(v, vf_mul(v, vf_all(slope))));
        }
        cafi_style_mix_plain(out + whole, in + 2 * whole, w + 2 * whole, slope, 1, S - whole);
    }
}

void cafi_simd_norms(float *norm, const float *x, size_t R, size_t K)
{
    size_t whole = K - K % VD;

    for (size_t r = 0; r < R; r++) {
        const float *in = x + r * K;
        vd sum = vd_zero();
        double total = 0.0;

        for (size_t k = 0; k < whole; k += VD) {
            vd v = vd_from_floats(in + k);
            sum = vd_fma(v, v, sum);
        }
        total = vd_sum(sum);
        for (size_t k = whole; k < K; k++)
            total += (double)in[k] * (double)in[k];
        norm[r] = (float)sqrt(total);
    }
}

/* Four rows at a time share one read and write of the sums; the order of the
 * additions stays ascending in r. */
void cafi_simd_weighted_sum(double *sum, const double *w, const float *x, size_t ldx, size_t R,
                            size_t M, size_t K)
{
    size_t whole = K - K % VD;

    for (size_t r = 0; r < R; r += 4) {
        size_t rows = R - r < 4 ? R - r : 4;
        const float *in = x + r * ldx;

        for (size_t m = 0; m < M; m++) {
            double *to = sum + m * K;
            double weight[4] = {0.0, 0.0, 0.0, 0.0};

            for (size_t i = 0; i < rows; i++)
                weight[i] = w[(r + i) * M + m];
            for (size_t k = 0; k < whole; k += VD) {
                vd total = vd_load(to + k);
                for (size_t i = 0; i < rows; i++)
                    total = vd_fma(vd_all(weight[i]), vd_from_floats(in + i * ldx + k), total);
                vd_store(to + k, total);
            }
            for (size_t k = whole; k < K; k++)
                for (size_t i = 0; i < rows; i++)
                    to[k] += weight[i] * (double)in[i * ldx + k];
        }
    }
}

size_t cafi_simd_finite_rows(const float *x, size_t R, size_t K)
{
    for (size_t r = 0; r < R; r++)
        for (size_t k = 0; k < K; k += VF)
            if (vf_any_odd(vf_load_n(x + r * K + k, K - k)))
                return r;
    return R;
}

void cafi_simd_clip_rows(float *y, const float *x, const float *mean, const float *scale,
                         float most, size_t R, size_t K)
{
    vf high = vf_all(most);
    vf low = vf_all(-most);

    for (size_t r = 0; r < R; r++)
        for (size_t k = 0; k < K; k += VF) {
            vf v = vf_sub(vf_load_n(x + r * K + k, K - k), vf_load_n(mean + k, K - k));

            v = vf_mul(v, vf_load_n(scale + k, K - k));
            vf_store_n(y + r * K + k, vf_max(vf_min(v, high), low), K - k);
        }
}

/* Floats that are summed as floats. */
#define EXP_BLOCK 512

double cafi_simd_exp_pairs(double *met, float own, const float *w, const float *x, float scale,
                           size_t n)
{
    vf factor = vf_all(scale * LOG2_E);
    vf share = vf_all(own);
    float theirs[EXP_BLOCK];
    double total = 0.0;

    for (size_t first = 0; first < n; first += EXP_BLOCK) {
        size_t end = n - first < EXP_BLOCK ? n : first + EXP_BLOCK;
        vf sum = vf_zero();

        for (size_t i = first; i < end; i += VF) {
            vf e = vf_exp2(vf_mul(vf_load_n(x + i, end - i), factor));

            sum = vf_fma(vf_load_n(w + i, end - i), e, sum);
            vf_store_n(theirs + (i - first), vf_mul(share, e), end - i);
        }
        total += (double)vf_sum(sum);
        for (size_t i = first; i < end; i++)
            // cppcheck-suppress uninitvar
            met[i] += (double)theirs[i - first];
    }
    return total;
}

void cafi_simd_dots(double *out, const double *s, const float *x, size_t M, size_t K)
{
    size_t whole = K - K % VD;

    for (size_t m = 0; m < M; m++) {
        const double *row = s + m * K;
        vd sum = vd_zero();
        double total = 0.0;

        for (size_t k = 0; k < whole; k += VD)
            sum = vd_fma(vd_load(row + k), vd_from_floats(x + k), sum);
        total = vd_sum(sum);
        for (size_t k = whole; k < K; k++)
            total += row[k] * (double)x[k];
        out[m] = total;
    }
}
