#include "math/exact.h"

#include "math/simd/names.h"
#include "math/simd/vector.h"

/* A float of a strip against MW weights, two vectors at a time: their sums stay in
 * registers from the first row to the last. The bits of what is added are those of
 * a double near CAFI_EXACT_HIGH; how often those of CAFI_EXACT_HIGH itself were
 * added along is known, and taken off at the start. */
#define HIGH_BITS UINT64_C(0x42b8000000000000)
#define LOW_BITS UINT64_C(0x4038000000000000)

#define VECTORS 2
#define MOST_WEIGHTS 3

CAFI_INLINE void column(int64_t *hi, int64_t *lo, const double *w, const float *x, size_t ldx,
                        size_t R, size_t M, size_t K, const size_t MW, const size_t NV)
{
    const vd high = vd_all(CAFI_EXACT_HIGH), low = vd_all(CAFI_EXACT_LOW);
    const vl high_bits = vl_all((int64_t)(0 - R * HIGH_BITS));
    const vl low_bits = vl_all((int64_t)(0 - R * LOW_BITS));
    vl sum_high[MOST_WEIGHTS][VECTORS], sum_low[MOST_WEIGHTS][VECTORS];

    CAFI_UNROLL
    for (size_t m = 0; m < MW; m++)
        CAFI_UNROLL
    for (size_t v = 0; v < NV; v++) {
        sum_high[m][v] = vl_add(vl_load(hi + m * K + v * VD), high_bits);
        sum_low[m][v] = vl_add(vl_load(lo + m * K + v * VD), low_bits);
    }
    for (size_t r = 0; r < R; r++, x += ldx, w += M)
        CAFI_UNROLL
    for (size_t v = 0; v < NV; v++) {
        vd value = vd_from_floats(x + v * VD);

        CAFI_UNROLL
        for (size_t m = 0; m < MW; m++) {
            vd weight = vd_all(w[m]);
            vd t = vd_fma(weight, value, high);
            vd rest = vd_fma(weight, value, vd_sub(high, t));

            sum_high[m][v] = vl_add(sum_high[m][v], vl_bits(t));
            sum_low[m][v] = vl_add(sum_low[m][v], vl_bits(vd_add(rest, low)));
        }
    }
    CAFI_UNROLL
    for (size_t m = 0; m < MW; m++)
        CAFI_UNROLL
    for (size_t v = 0; v < NV; v++) {
        vl_store(hi + m * K + v * VD, sum_high[m][v]);
        vl_store(lo + m * K + v * VD, sum_low[m][v]);
    }
}

CAFI_INLINE void weights(int64_t *hi, int64_t *lo, const double *w, const float *x, size_t ldx,
                         size_t R, size_t M, size_t K, const size_t MW)
{
    size_t k = 0;

    for (; k + VECTORS * VD <= K; k += VECTORS * VD)
        column(hi + k, lo + k, w, x + k, ldx, R, M, K, MW, VECTORS);
    for (; k + VD <= K; k += VD)
        column(hi + k, lo + k, w, x + k, ldx, R, M, K, MW, 1);
    for (size_t r = 0; k < K && r < R; r++)
        for (size_t m = 0; m < MW; m++)
            cafi_exact_sum_plain(hi + m * K + k, lo + m * K + k, w + r * M + m, x + r * ldx + k, 0,
                                 1, 1, K - k);
}

void cafi_simd_exact_sum(int64_t *hi, int64_t *lo, const double *w, const float *x, size_t ldx,
                         size_t R, size_t M, size_t K)
{
    size_t m = 0;

    for (; m + 3 <= M; m += 3)
        weights(hi + m * K, lo + m * K, w + m, x, ldx, R, M, K, 3);
    for (; m < M; m++)
        weights(hi + m * K, lo + m * K, w + m, x, ldx, R, M, K, 1);
}

void cafi_simd_exact_floats(float *out, const int64_t *hi, const int64_t *lo, double scale,
                            size_t n)
{
    size_t i = 0;

#if defined(__AVX512F__)
    const __m512i below = _mm512_set1_epi64(((int64_t)1 << 40) - 1);

    for (; i + VD <= n; i += VD) {
        vl high = vl_load(hi + i), low = vl_load(lo + i);
        vd v;

        high = vl_add(high, _mm512_srai_epi64(low, 40));
        low = _mm512_and_si512(low, below);
        v = vd_fma(_mm512_cvtepi64_pd(high), vd_all(0x1p-8),
                   _mm512_mul_pd(_mm512_cvtepi64_pd(low), vd_all(0x1p-48)));
        _mm256_storeu_ps(out + i, _mm512_cvtpd_ps(_mm512_mul_pd(v, vd_all(scale))));
    }
#endif
    cafi_exact_floats_plain(out + i, hi + i, lo + i, scale, n - i);
}
