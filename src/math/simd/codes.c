/* Products of int8 codes. This file is compiled once more for processors that multiply and add four
 * bytes in one instruction: VNNI, and Arm's dot product. */
#include <string.h>

#include "math/scan.h"
#include "math/simd/names.h"
#include "math/simd/vector.h"

/* Four products of a lane of 32 bits are added at once. On x86 bytes of rows have no sign and those
 * of queries have one; without VNNI, whose instruction does it, the bytes at even places and
 * those at odd ones are made numbers of 16 bits first, so that nothing saturates. On Arm both have
 * a sign: 128 is taken from a row's byte, and the bias, which undoes it, is not needed. */

#if defined(__ARM_NEON)

#define VB 16
typedef int32x4_t vi;

CAFI_INLINE vi vi_zero(void)
{
    return vdupq_n_s32(0);
}
CAFI_INLINE vi vi_load(const void *p)
{
    return vreinterpretq_s32_u8(vld1q_u8(p));
}
CAFI_INLINE vi vi_all(int32_t v)
{
    return vdupq_n_s32(v);
}
CAFI_INLINE vi vi_add(vi a, vi b)
{
    return vaddq_s32(a, b);
}
CAFI_INLINE int32_t vi_sum(vi v)
{
    return vaddvq_s32(v);
}
CAFI_INLINE vf vi_floats(vi v)
{
    return vcvtq_f32_s32(v);
}

#elif defined(__AVX512F__)

#define VB 64 /* bytes in a vector */
typedef __m512i vi;

CAFI_INLINE vi vi_zero(void)
{
    return _mm512_setzero_si512();
}
CAFI_INLINE vi vi_load(const void *p)
{
    return _mm512_loadu_si512(p);
}
CAFI_INLINE vi vi_all(int32_t v)
{
    return _mm512_set1_epi32(v);
}
CAFI_INLINE vi vi_add(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}
CAFI_INLINE int32_t vi_sum(vi v)
{
    return _mm512_reduce_add_epi32(v);
}
CAFI_INLINE vf vi_floats(vi v)
{
    return _mm512_cvtepi32_ps(v);
}
CAFI_INLINE vi vi_even_unsigned(vi v)
{
    return _mm512_and_si512(v, _mm512_set1_epi16(0xff));
}
CAFI_INLINE vi vi_odd_unsigned(vi v)
{
    return _mm512_srli_epi16(v, 8);
}
CAFI_INLINE vi vi_even_signed(vi v)
{
    return _mm512_srai_epi16(_mm512_slli_epi16(v, 8), 8);
}
CAFI_INLINE vi vi_odd_signed(vi v)
{
    return _mm512_srai_epi16(v, 8);
}
CAFI_INLINE vi vi_pairs(vi a, vi b)
{
    return _mm512_madd_epi16(a, b);
}

#else

#define VB 32
typedef __m256i vi;

CAFI_INLINE vi vi_zero(void)
{
    return _mm256_setzero_si256();
}
CAFI_INLINE vi vi_load(const void *p)
{
    return _mm256_loadu_si256(p);
}
CAFI_INLINE vi vi_all(int32_t v)
{
    return _mm256_set1_epi32(v);
}
CAFI_INLINE vi vi_add(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}
CAFI_INLINE int32_t vi_sum(vi v)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

    s = _mm_add_epi32(s, _mm_unpackhi_epi64(s, s));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 1)));
}
CAFI_INLINE vf vi_floats(vi v)
{
    return _mm256_cvtepi32_ps(v);
}
CAFI_INLINE vi vi_even_unsigned(vi v)
{
    return _mm256_and_si256(v, _mm256_set1_epi16(0xff));
}
CAFI_INLINE vi vi_odd_unsigned(vi v)
{
    return _mm256_srli_epi16(v, 8);
}
CAFI_INLINE vi vi_even_signed(vi v)
{
    return _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8);
}
CAFI_INLINE vi vi_odd_signed(vi v)
{
    return _mm256_srai_epi16(v, 8);
}
CAFI_INLINE vi vi_pairs(vi a, vi b)
{
    return _mm256_madd_epi16(a, b);
}

#endif

#if defined(__ARM_NEON)

#if defined(__ARM_FEATURE_DOTPROD)
#define TILE_ROWS 6
#else
#define TILE_ROWS 4
#endif
#define TILE_VECTORS 4
typedef int8x16_t bytes;

CAFI_INLINE bytes of_row(vi v)
{
    return vreinterpretq_s8_u8(veorq_u8(vreinterpretq_u8_s32(v), vdupq_n_u8(128)));
}
CAFI_INLINE bytes of_query(vi v)
{
    return vreinterpretq_s8_s32(v);
}
CAFI_INLINE vi multiply_add(vi sum, bytes row, bytes query)
{
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(sum, row, query);
#else
    /* two products fit 16 bits: codes are at most 127, and a row's byte at least -128 */
    int16x8_t low = vmull_s8(vget_low_s8(row), vget_low_s8(query));
    int16x8_t high = vmull_high_s8(row, query);

    return vpadalq_s16(sum, vpaddq_s16(low, high));
#endif
}
CAFI_INLINE vi first_sum(const int32_t *bias)
{
    (void)bias;
    return vi_zero();
}
CAFI_INLINE int32_t total(vi sum, int32_t bias)
{
    (void)bias;
    return vi_sum(sum);
}

#else

/* A vector of sums begins at its queries' bias; one query's bias is added at the end. */
CAFI_INLINE vi first_sum(const int32_t *bias)
{
    return vi_load(bias);
}
CAFI_INLINE int32_t total(vi sum, int32_t bias)
{
    return bias + vi_sum(sum);
}

#if defined(__AVX512VNNI__)

/* Rows and vectors of a tile of a panel. */
#define TILE_ROWS 6
#define TILE_VECTORS 4
typedef vi bytes;

CAFI_INLINE bytes of_row(vi v)
{
    return v;
}
CAFI_INLINE bytes of_query(vi v)
{
    return v;
}
/* By its name: for _mm512_dpbusd_epi32 GCC 12 keeps the sums of a tile in memory. */
CAFI_INLINE vi multiply_add(vi sum, bytes row, bytes query)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(row), "v"(query));
    return sum;
}

#else

#if defined(__AVX512F__)
#define TILE_ROWS 4
#define TILE_VECTORS 4
#else
#define TILE_ROWS 3
#define TILE_VECTORS 2
#endif
typedef struct bytes {
    vi even, odd;
} bytes;

CAFI_INLINE bytes of_row(vi v)
{
    return (bytes){vi_even_unsigned(v), vi_odd_unsigned(v)};
}
CAFI_INLINE bytes of_query(vi v)
{
    return (bytes){vi_even_signed(v), vi_odd_signed(v)};
}
CAFI_INLINE vi multiply_add(vi sum, bytes row, bytes query)
{
    return vi_add(sum, vi_add(vi_pairs(row.even, query.even), vi_pairs(row.odd, query.odd)));
}

#endif
#endif

/* --- few queries: along k ---------------------------------------------------------- */

/* As cafi_simd_scan_rows, whose remarks hold. */
#define QUERIES 4
#define VECTORS 4

CAFI_INLINE void code_row(float *out, size_t ldo, const uint8_t *row, const int8_t *queries,
                          const int32_t *bias, size_t K, const size_t NQ, const size_t NV)
{
    vi acc[QUERIES][VECTORS];
    size_t k = 0;

    CAFI_UNROLL
    for (size_t j = 0; j < NQ; j++)
        CAFI_UNROLL
    for (size_t v = 0; v < NV; v++)
        acc[j][v] = vi_zero();
    for (; k + NV * VB <= K; k += NV * VB)
        CAFI_UNROLL
    for (size_t v = 0; v < NV; v++) {
        bytes x = of_row(vi_load(row + k + v * VB));

        CAFI_UNROLL
        for (size_t j = 0; j < NQ; j++)
            acc[j][v] = multiply_add(acc[j][v], x, of_query(vi_load(queries + j * K + k + v * VB)));
    }
    for (; k < K; k += VB) {
        bytes x = of_row(vi_load(row + k));

        CAFI_UNROLL
        for (size_t j = 0; j < NQ; j++)
            acc[j][0] = multiply_add(acc[j][0], x, of_query(vi_load(queries + j * K + k)));
    }
    CAFI_UNROLL
    for (size_t j = 0; j < NQ; j++) {
        CAFI_UNROLL
        for (size_t v = 1; v < NV; v++)
            acc[j][0] = vi_add(acc[j][0], acc[j][v]);
        out[j * ldo] = (float)total(acc[j][0], bias[j]);
    }
}

void cafi_simd_scan_codes(float *out, size_t ldo, const uint8_t *rows, size_t R, size_t K,
                          const int8_t *queries, const int32_t *bias, size_t Q)
{
    for (size_t r = 0; r < R; r++, rows += K) {
        size_t j = 0;

        for (; j + QUERIES <= Q; j += QUERIES)
            code_row(out + j * ldo + r, ldo, rows, queries + j * K, bias + j, K, QUERIES, 1);
        for (; j < Q; j++)
            code_row(out + j * ldo + r, ldo, rows, queries + j * K, bias + j, K, 1, VECTORS);
    }
}

/* --- many: a vector of queries at a time ---------------------------------------------- */

typedef struct job {
    float *out;
    size_t ldo;
    const uint8_t *rows;
    const cafi_packed_codes *w;
} job;

/* NR rows against columns j.. of a panel of `width` columns, which are NV vectors. */
CAFI_INLINE void panel_tile(const job *t, const size_t NR, const size_t NV, const size_t width,
                            size_t j, const int8_t *w)
{
    const size_t K = t->w->K;
    const uint8_t *x = t->rows;
    vi acc[TILE_ROWS][TILE_VECTORS];

    CAFI_UNROLL
    for (size_t v = 0; v < NV; v++) {
        vi bias = first_sum(t->w->bias + j + v * VF);
        CAFI_UNROLL
        for (size_t i = 0; i < NR; i++)
            acc[i][v] = bias;
    }
    for (size_t k = 0; k < K; k += 4, x += 4, w += width * 4) {
        bytes q[TILE_VECTORS];

        CAFI_UNROLL
        for (size_t v = 0; v < NV; v++)
            q[v] = of_query(vi_load(w + v * VB));
        CAFI_UNROLL
        for (size_t i = 0; i < NR; i++) {
            int32_t four = 0;
            bytes row;

            memcpy(&four, x + i * K, sizeof four);
            row = of_row(vi_all(four));
            CAFI_UNROLL
            for (size_t v = 0; v < NV; v++)
                acc[i][v] = multiply_add(acc[i][v], row, q[v]);
        }
    }
    CAFI_UNROLL
    for (size_t i = 0; i < NR; i++)
        CAFI_UNROLL
    for (size_t v = 0; v < NV; v++)
        vf_store(t->out + i * t->ldo + j + v * VF, vi_floats(acc[i][v]));
}

CAFI_INLINE void all_columns(const job *t, const size_t NR)
{
    const size_t NV = TILE_VECTORS;
    const size_t NARROW = NV * VF < CAFI_CODE_NARROW ? NV : CAFI_CODE_NARROW / VF;
    const cafi_packed_codes *w = t->w;
    size_t j = 0;

    for (; j + CAFI_CODE_PANEL <= w->J; j += CAFI_CODE_PANEL)
        for (size_t at = 0; at < CAFI_CODE_PANEL; at += NV * VF)
            panel_tile(t, NR, NV, CAFI_CODE_PANEL, j + at, w->w + j * w->K + at * 4);
    for (; j < w->J; j += CAFI_CODE_NARROW)
        for (size_t at = 0; at < CAFI_CODE_NARROW; at += NARROW * VF)
            panel_tile(t, NR, NARROW, CAFI_CODE_NARROW, j + at, w->w + j * w->K + at * 4);
}

static void tile_rows(const job *t)
{
    all_columns(t, TILE_ROWS);
}

static void one_row(const job *t)
{
    all_columns(t, 1);
}

void cafi_simd_linear_codes(float *out, size_t ldo, const uint8_t *rows, size_t R,
                            const cafi_packed_codes *w)
{
    size_t r = 0;

    for (; r + TILE_ROWS <= R; r += TILE_ROWS) {
        const job t = {out + r * ldo, ldo, rows + r * w->K, w};
        tile_rows(&t);
    }
    for (; r < R; r++) {
        const job t = {out + r * ldo, ldo, rows + r * w->K, w};
        one_row(&t);
    }
}
