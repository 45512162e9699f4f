#include "math/scan.h"

#include "math/simd/names.h"
#include "math/simd/vector.h"

/* A row against NQ queries, NV vectors at a time. Rows are read one after the other, from
 * front to back: from memory, that is twice as fast as several side by side. */
#define QUERIES 4
#define VECTORS 4

CAFI_INLINE vf load_row(const void *row, size_t k, const int is_half)
{
    return is_half ? vf_from_halves((const uint16_t *)row + k) : vf_load((const float *)row + k);
}

/* The last n numbers, fewer than a vector holds; zeros behind them. */
CAFI_INLINE vf load_rest(const void *row, size_t k, size_t n, const int is_half)
{
    float rest[VF] = {0};

    if (!is_half)
        return vf_load_n((const float *)row + k, n);
    cafi_widen_plain(rest, (const uint16_t *)row + k, n);
    return vf_load(rest);
}

CAFI_INLINE void one_row(float *out, size_t ldo, const void *row, const float *queries, size_t K,
                         const size_t NQ, const size_t NV, const int is_half)
{
    vf acc[QUERIES][VECTORS];
    size_t k = 0;

    CAFI_UNROLL
    for (size_t j = 0; j < NQ; j++)
        CAFI_UNROLL
    for (size_t v = 0; v < NV; v++)
        acc[j][v] = vf_zero();
    for (; k + NV * VF <= K; k += NV * VF)
        CAFI_UNROLL
    for (size_t v = 0; v < NV; v++) {
        vf x = load_row(row, k + v * VF, is_half);

        CAFI_UNROLL
        for (size_t j = 0; j < NQ; j++)
            acc[j][v] = vf_fma(x, vf_load(queries + j * K + k + v * VF), acc[j][v]);
    }
    for (; k + VF <= K; k += VF) {
        vf x = load_row(row, k, is_half);

        CAFI_UNROLL
        for (size_t j = 0; j < NQ; j++)
            acc[j][0] = vf_fma(x, vf_load(queries + j * K + k), acc[j][0]);
    }
    if (k < K) {
        vf x = load_rest(row, k, K - k, is_half);

        CAFI_UNROLL
        for (size_t j = 0; j < NQ; j++)
            acc[j][0] = vf_fma(x, vf_load_n(queries + j * K + k, K - k), acc[j][0]);
    }
    CAFI_UNROLL
    for (size_t j = 0; j < NQ; j++) {
        CAFI_UNROLL
        for (size_t v = 1; v < NV; v++)
            acc[j][0] = vf_add(acc[j][0], acc[j][v]);
        out[j * ldo] = vf_sum(acc[j][0]);
    }
}

CAFI_INLINE void all_rows(float *out, size_t ldo, const char *rows, size_t R, size_t K,
                          const float *queries, size_t Q, const int is_half)
{
    size_t bytes = K * (is_half ? sizeof(uint16_t) : sizeof(float));

    for (size_t r = 0; r < R; r++, rows += bytes) {
        size_t j = 0;

        for (; j + QUERIES <= Q; j += QUERIES)
            one_row(out + j * ldo + r, ldo, rows, queries + j * K, K, QUERIES, 1, is_half);
        for (; j < Q; j++)
            one_row(out + j * ldo + r, ldo, rows, queries + j * K, K, 1, VECTORS, is_half);
    }
}

void cafi_simd_scan_rows(float *out, size_t ldo, const float *rows, size_t R, size_t K,
                         const float *queries, size_t Q)
{
    all_rows(out, ldo, (const char *)rows, R, K, queries, Q, 0);
}

void cafi_simd_scan_halves(float *out, size_t ldo, const uint16_t *rows, size_t R, size_t K,
                           const float *queries, size_t Q)
{
    all_rows(out, ldo, (const char *)rows, R, K, queries, Q, 1);
}

CAFI_INLINE size_t sift(uint32_t *place, const float *score, size_t n, const cafi_sieve *s,
                        const int has_limits)
{
    const vf scale = vf_all(s->of.scale), a = vf_all(s->of.a), b = vf_all(s->of.b);
    const vf same = vf_all(n ? s->limit[0] : 0.0f);
    size_t count = 0;

    for (size_t i = 0; i < n; i += VF) {
        size_t left = n - i;
        vf limit = has_limits ? vf_load_n(s->limit + i, left) : same;
        vf error = vf_fma(vf_load_n(s->a + i, left), a, vf_mul(vf_load_n(s->b + i, left), b));
        vf factor = vf_mul(vf_load_n(s->scale + i, left), scale);
        unsigned passed =
            vf_at_least(vf_fma(vf_load_n(score + i, left), factor, error), limit, left);

        for (; passed; passed &= passed - 1)
            place[count++] = (uint32_t)(i + (size_t)__builtin_ctz(passed));
    }
    return count;
}

size_t cafi_simd_sift(uint32_t *place, const float *score, size_t n, const cafi_sieve *s)
{
    return s->limit_step ? sift(place, score, n, s, 1) : sift(place, score, n, s, 0);
}

void cafi_simd_widen(float *out, const uint16_t *in, size_t n)
{
    size_t i = 0;

    for (; i + VF <= n; i += VF)
        vf_store(out + i, vf_from_halves(in + i));
    cafi_widen_plain(out + i, in + i, n - i);
}

void cafi_simd_narrow(uint16_t *out, const float *in, size_t n)
{
    size_t i = 0;

    for (; i + VF <= n; i += VF)
        vf_to_halves(out + i, vf_load(in + i));
    cafi_narrow_plain(out + i, in + i, n - i);
}

double cafi_simd_ordered_dot(const float *a, const float *b, size_t n)
{
    enum { SUMS = 16, PARTS = SUMS / VD };
    vd acc[PARTS];
    double sum[SUMS];
    size_t k = 0;

    CAFI_UNROLL
    for (size_t v = 0; v < PARTS; v++)
        acc[v] = vd_zero();
    for (; k + SUMS <= n; k += SUMS)
        CAFI_UNROLL
    for (size_t v = 0; v < PARTS; v++)
        acc[v] = vd_fma(vd_from_floats(a + k + v * VD), vd_from_floats(b + k + v * VD), acc[v]);
    CAFI_UNROLL
    for (size_t v = 0; v < PARTS; v++)
        vd_store(sum + v * VD, acc[v]);
    for (size_t i = 0; k < n; k++, i++)
        sum[i] += (double)a[k] * (double)b[k];
    for (size_t apart = SUMS / 2; apart; apart /= 2)
        for (size_t i = 0; i < apart; i++)
            sum[i] += sum[i + apart];
    return sum[0];
}
