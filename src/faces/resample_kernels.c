/* Compiled once for every instruction set (meson.build). Whole numbers: every
 * version gives the same bytes. KERNELS names the table. */
#include "faces/resample_kernels.h"

#include <stdbool.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#ifndef KERNELS
#define KERNELS cafi_resample_kernels_plain
#endif

#define ROUND (1 << (CAFI_WEIGHT_BITS - 1))

#if !defined(__AVX512VNNI__)

static inline uint8_t to_byte(int32_t sum)
{
    int32_t v = (sum + ROUND) >> CAFI_WEIGHT_BITS;

    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

#endif

#if defined(__AVX2__)

/* Four pixels at a time: pairs of 16 bits, channel by channel, meet the lower and
 * the upper halves of their weights. */
static void row(uint8_t *out, const uint8_t *in, const cafi_resample_filter *f, size_t width)
{
    const __m256i spread = _mm256_setr_epi8(0, -128, 3, -128, 1, -128, 4, -128, 2, -128, 5, -128,
                                            -128, -128, -128, -128, 6, -128, 9, -128, 7, -128, 10,
                                            -128, 8, -128, 11, -128, -128, -128, -128, -128);
    const __m256i lower = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
    const __m256i upper = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);

    for (size_t o = 0; o < width; o++, out += 3) {
        const uint8_t *p = in + (size_t)f->first[o] * 3;
        const int16_t *w = f->halves + o * f->taps * 2;
        __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();
        __m128i sum;
        uint32_t bytes = 0;

        for (uint32_t k = 0; k < f->count[o]; k += 4, p += 12, w += 8) {
            __m256i four = _mm256_shuffle_epi8(
                _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p)),
                spread);
            __m256i halves =
                _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)w));

            low = _mm256_add_epi32(
                low, _mm256_madd_epi16(four, _mm256_permutevar8x32_epi32(halves, lower)));
            high = _mm256_add_epi32(
                high, _mm256_madd_epi16(four, _mm256_permutevar8x32_epi32(halves, upper)));
        }
        low = _mm256_add_epi32(low, _mm256_slli_epi32(high, CAFI_WEIGHT_LOW));
        sum = _mm_add_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
        sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(ROUND)), CAFI_WEIGHT_BITS);
        sum = _mm_packus_epi16(_mm_packs_epi32(sum, sum), sum);
        bytes = (uint32_t)_mm_cvtsi128_si32(sum);
        out[0] = (uint8_t)bytes;
        out[1] = (uint8_t)(bytes >> 8);
        out[2] = (uint8_t)(bytes >> 16);
    }
}

#else

/* The weights add up to about 2^22, so that a sum of bytes fits in 32 bits. */
static void row(uint8_t *out, const uint8_t *in, const cafi_resample_filter *f, size_t width)
{
    for (size_t o = 0; o < width; o++, out += 3) {
        const uint8_t *p = in + (size_t)f->first[o] * 3;
        const int32_t *w = f->weights + o * f->taps;
        int32_t sum[3] = {0, 0, 0};

        for (uint32_t k = 0; k < f->count[o]; k++, p += 3)
            for (int c = 0; c < 3; c++)
                sum[c] += p[c] * w[k];
        for (int c = 0; c < 3; c++)
            out[c] = to_byte(sum[c]);
    }
}

#endif

#if defined(__AVX512BW__)

/* Four pixels of either row at a time, of outputs [o, width): the weights are spread once for
 * both. */
static void pair_from(uint8_t *out, size_t out_step, const uint8_t *in, size_t in_step,
                      const cafi_resample_filter *f, size_t o, size_t width)
{
    const __m512i spread = _mm512_broadcast_i64x4(_mm256_setr_epi8(
        0, -128, 3, -128, 1, -128, 4, -128, 2, -128, 5, -128, -128, -128, -128, -128, 6, -128, 9,
        -128, 7, -128, 10, -128, 8, -128, 11, -128, -128, -128, -128, -128));
    const __m512i lower = _mm512_broadcast_i64x4(_mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
    const __m512i upper = _mm512_broadcast_i64x4(_mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3));

    for (out += 3 * o; o < width; o++, out += 3) {
        const uint8_t *p = in + (size_t)f->first[o] * 3;
        const int16_t *w = f->halves + o * f->taps * 2;
        __m512i low = _mm512_setzero_si512(), high = _mm512_setzero_si512();
        __m256i sum;
        uint32_t bytes[2];

        for (uint32_t k = 0; k < f->count[o]; k += 4, p += 12, w += 8) {
            __m256i first =
                _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p));
            __m256i second = _mm256_broadcastsi128_si256(
                _mm_loadu_si128((const __m128i *)(const void *)(p + in_step)));
            __m512i four = _mm512_shuffle_epi8(
                _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1), spread);
            __m512i halves =
                _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)w));

            low = _mm512_add_epi32(
                low, _mm512_madd_epi16(four, _mm512_permutexvar_epi32(lower, halves)));
            high = _mm512_add_epi32(
                high, _mm512_madd_epi16(four, _mm512_permutexvar_epi32(upper, halves)));
        }
        low = _mm512_add_epi32(low, _mm512_slli_epi32(high, CAFI_WEIGHT_LOW));
        /* the halves of each row, side by side: both rows in 256 bits */
        low = _mm512_add_epi32(low, _mm512_shuffle_i64x2(low, low, 0xB1));
        sum = _mm512_castsi512_si256(_mm512_shuffle_i64x2(low, low, 0x08));
        sum = _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(ROUND)), CAFI_WEIGHT_BITS);
        sum = _mm256_packus_epi16(_mm256_packs_epi32(sum, sum), sum);
        bytes[0] = (uint32_t)_mm256_extract_epi32(sum, 0);
        bytes[1] = (uint32_t)_mm256_extract_epi32(sum, 4);
        for (int r = 0; r < 2; r++)
            for (int c = 0; c < 3; c++)
                out[(size_t)r * out_step + (size_t)c] = (uint8_t)(bytes[r] >> 8 * c);
    }
}

static void pair(uint8_t *out, size_t out_step, const uint8_t *in, size_t in_step,
                 const cafi_resample_filter *f, size_t width)
{
    pair_from(out, out_step, in, in_step, f, 0, width);
}

#else

static void pair(uint8_t *out, size_t out_step, const uint8_t *in, size_t in_step,
                 const cafi_resample_filter *f, size_t width)
{
    row(out, in, f, width);
    row(out + out_step, in + in_step, f, width);
}

#endif

#if defined(__AVX512VNNI__)

/* Sixteen bytes from each of four places. */
static inline __m512i from_four(const void *a, const void *b, const void *c, const void *d)
{
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128(a));

    v = _mm512_mask_broadcast_i32x4(v, 0x00F0, _mm_loadu_si128(b));
    v = _mm512_mask_broadcast_i32x4(v, 0x0F00, _mm_loadu_si128(c));
    return _mm512_mask_broadcast_i32x4(v, 0xF000, _mm_loadu_si128(d));
}

/* sum += products of x and w, four by four; GCC copies the sums of its intrinsic in a loop. */
static inline void add_products(__m512i *sum, __m512i x, __m512i w)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(x), "v"(w));
}

/* A sum from those by pieces of the weights, in CAFI_WEIGHT_BITS bits below the point. */
static inline __m512i whole_sum(__m512i a, __m512i b, __m512i c)
{
    b = _mm512_add_epi32(b, _mm512_slli_epi32(c, 8));
    return _mm512_add_epi32(a, _mm512_slli_epi32(b, 8));
}

/* A step's inputs of a row, four of each channel of each output. */
static inline __m512i inputs_at(const uint8_t *p, const uint32_t *first, __m512i bytes,
                                uint32_t reach)
{
    const uint8_t *from = p + (size_t)3 * first[0];

    if (reach == 1)
        return _mm512_permutexvar_epi8(bytes, _mm512_loadu_si512(from));
    if (reach == 2)
        return _mm512_permutex2var_epi8(_mm512_loadu_si512(from), bytes,
                                        _mm512_loadu_si512(from + 64));
    return _mm512_permutexvar_epi8(bytes,
                                   from_four(from, p + (size_t)3 * first[1],
                                             p + (size_t)3 * first[2], p + (size_t)3 * first[3]));
}

/* Outputs [4 group, 4 group + 4) of four rows, one of a row in every quarter of a vector. */
static inline void sum_steps(__m512i out[4], const uint8_t *in, size_t step,
                             const cafi_resample_filter *f, size_t group, uint32_t reach)
{
    const cafi_resample_four *four = &f->fours[group];
    const uint8_t *w = f->spread + (size_t)64 * four->at;
    const uint32_t *first = f->first + 4 * group;
    __m512i bytes = _mm512_loadu_si512(w), sum[4][3];

    for (size_t r = 0; r < 4; r++) {
        sum[r][0] = _mm512_set1_epi32(ROUND);
        sum[r][1] = sum[r][2] = _mm512_setzero_si512();
    }
    w += 64;
    for (size_t k = 0; k < four->steps; k++, w += 192) {
        __m512i a = _mm512_loadu_si512(w), b = _mm512_loadu_si512(w + 64);
        __m512i c = _mm512_loadu_si512(w + 128);

#pragma GCC unroll 4
        for (size_t r = 0; r < 4; r++) {
            __m512i x = inputs_at(in + r * step + 12 * k, first, bytes, reach);

            add_products(&sum[r][0], x, a);
            add_products(&sum[r][1], x, b);
            add_products(&sum[r][2], x, c);
        }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < 4; r++)
        out[r] = whole_sum(sum[r][0], sum[r][1], sum[r][2]);
}

/* The same of one or two steps, whose inputs stay in registers: piece after piece in one sum. */
static inline void sum_few(__m512i out[4], const uint8_t *in, size_t step,
                           const cafi_resample_filter *f, size_t group, uint32_t steps)
{
    const uint8_t *w = f->spread + (size_t)64 * f->fours[group].at;
    const uint32_t *first = f->first + 4 * group;
    __m512i bytes = _mm512_loadu_si512(w), weights[2][3];

    for (size_t k = 0; k < steps; k++)
        for (size_t p = 0; p < 3; p++)
            weights[k][p] = _mm512_loadu_si512(w + 64 + 192 * k + 64 * p);
#pragma GCC unroll 4
    for (size_t r = 0; r < 4; r++) {
        __m512i sum = _mm512_set1_epi32(ROUND >> 16), x[2];

        for (size_t k = 0; k < steps; k++) {
            x[k] = inputs_at(in + r * step + 12 * k, first, bytes, 1);
            add_products(&sum, x[k], weights[k][2]);
        }
        for (size_t p = 2; p-- > 0;) {
            sum = _mm512_slli_epi32(sum, 8);
            for (size_t k = 0; k < steps; k++)
                add_products(&sum, x[k], weights[k][p]);
        }
        out[r] = sum;
    }
}

static inline void sum_four(__m512i out[4], const uint8_t *in, size_t step,
                            const cafi_resample_filter *f, size_t group)
{
    const cafi_resample_four *four = &f->fours[group];

    if (four->reach == 1 && four->steps == 1)
        sum_few(out, in, step, f, group, 1);
    else if (four->reach == 1 && four->steps == 2)
        sum_few(out, in, step, f, group, 2);
    else if (four->reach == 1)
        sum_steps(out, in, step, f, group, 1);
    else if (four->reach == 2)
        sum_steps(out, in, step, f, group, 2);
    else
        sum_steps(out, in, step, f, group, 0);
}

/* The words above the point of a in even places, of b in odd ones. */
static inline __m512i above_point(__m512i a, __m512i b)
{
    __m512i both = _mm512_mask_blend_epi16(0xAAAAAAAA, _mm512_srli_epi32(a, 16), b);

    return _mm512_srai_epi16(both, CAFI_WEIGHT_BITS - 16);
}

/* Where the bytes of sixteen outputs are: output 4 g + q in quarter q, of group g. */
static const uint8_t sixteen_places[64] = {
    0, 2,  4,  16, 18, 20, 32, 34, 36, 48, 50, 52, 1, 3,  5,  17, 19, 21, 33, 35, 37, 49, 51, 53,
    8, 10, 12, 24, 26, 28, 40, 42, 44, 56, 58, 60, 9, 11, 13, 25, 27, 29, 41, 43, 45, 57, 59, 61};

/* The bytes of sixteen outputs, of which `count` are there, from their sums, four by four. */
static inline void put_sixteen(uint8_t *out, __m512i a, __m512i b, __m512i c, __m512i d,
                               __m512i turn, size_t count)
{
    __m512i all =
        _mm512_permutexvar_epi8(turn, _mm512_packus_epi16(above_point(a, b), above_point(c, d)));

    if (count >= 16) {
        _mm256_storeu_si256((__m256i *)(void *)out, _mm512_castsi512_si256(all));
        _mm_storeu_si128((__m128i *)(void *)(out + 32), _mm512_extracti32x4_epi32(all, 2));
    } else {
        _mm512_mask_storeu_epi8(out, ((__mmask64)1 << 3 * count) - 1, all);
    }
}

/* Sixteen outputs of four rows at a time. */
static void four(uint8_t *out, size_t out_step, const uint8_t *in, size_t in_step,
                 const cafi_resample_filter *f, size_t width)
{
    __m512i turn = _mm512_loadu_si512(sixteen_places);

    for (size_t o = 0; o < width; o += 16) {
        __m512i sum[4][4]; /* [group][row] */

        for (size_t g = 0; g < 4; g++)
            if (o + 4 * g < width)
                sum_four(sum[g], in, in_step, f, o / 4 + g);
            else
                sum[g][0] = sum[g][1] = sum[g][2] = sum[g][3] = _mm512_setzero_si512();
        for (size_t r = 0; r < 4; r++)
            put_sixteen(out + r * out_step + 3 * o, sum[0][r], sum[1][r], sum[2][r], sum[3][r],
                        turn, width - o);
    }
}

#else

static void four(uint8_t *out, size_t out_step, const uint8_t *in, size_t in_step,
                 const cafi_resample_filter *f, size_t width)
{
    pair(out, out_step, in, in_step, f, width);
    pair(out + 2 * out_step, out_step, in + 2 * in_step, in_step, f, width);
}

#endif

#if defined(__AVX512VNNI__)

/* What the columns of four rows from `in` on are summed from, of which `left` are there: four
 * bytes, one below the other, of four of each sixteen columns. */
static inline void columns_at(__m512i x[4], const uint8_t *in, size_t left, size_t bytes,
                              __mmask64 some, bool all)
{
    __m512i row[4], low[2], high[2];

    for (size_t r = 0; r < 4; r++) {
        const uint8_t *at = in + (r < left ? r : left - 1) * bytes;

        row[r] = all ? _mm512_loadu_si512(at) : _mm512_maskz_loadu_epi8(some, at);
    }
    for (size_t r = 0; r < 2; r++) {
        low[r] = _mm512_unpacklo_epi8(row[2 * r], row[2 * r + 1]);
        high[r] = _mm512_unpackhi_epi8(row[2 * r], row[2 * r + 1]);
    }
    x[0] = _mm512_unpacklo_epi16(low[0], low[1]);
    x[1] = _mm512_unpackhi_epi16(low[0], low[1]);
    x[2] = _mm512_unpacklo_epi16(high[0], high[1]);
    x[3] = _mm512_unpackhi_epi16(high[0], high[1]);
}

/* Piece p of four weights, in all places. */
static inline __m512i piece_at(const int8_t *pieces, size_t p)
{
    int32_t four;

    memcpy(&four, pieces + 4 * p, sizeof four);
    return _mm512_set1_epi32(four);
}

/* The sums of column_at, of up to eight rows, which stay in registers: piece after piece. */
static inline void sum_few_rows(__m512i out[4], const uint8_t *in, const int8_t *pieces,
                                size_t count, size_t bytes, __mmask64 some, bool all, size_t steps)
{
    __m512i x[2][4];

    for (size_t k = 0; k < steps; k++)
        columns_at(x[k], in + 4 * k * bytes, count - 4 * k, bytes, some, all);
#pragma GCC unroll 4
    for (size_t v = 0; v < 4; v++) {
        __m512i sum = _mm512_set1_epi32(ROUND >> 16);

        for (size_t p = 3; p-- > 0;) {
            for (size_t k = 0; k < steps; k++)
                add_products(&sum, x[k][v], piece_at(pieces + 16 * k, p));
            sum = p ? _mm512_slli_epi32(sum, 8) : sum;
        }
        out[v] = sum;
    }
}

/* The same of any number of rows. */
static inline void sum_rows(__m512i out[4], const uint8_t *in, const int8_t *pieces, size_t count,
                            size_t bytes, __mmask64 some, bool all)
{
    __m512i sum[4][3];

    for (size_t v = 0; v < 4; v++) {
        sum[v][0] = _mm512_set1_epi32(ROUND);
        sum[v][1] = sum[v][2] = _mm512_setzero_si512();
    }
    for (size_t k = 0; k < count; k += 4, pieces += 16) {
        __m512i x[4], a = piece_at(pieces, 0), b = piece_at(pieces, 1), c = piece_at(pieces, 2);

        columns_at(x, in + k * bytes, count - k, bytes, some, all);
#pragma GCC unroll 4
        for (size_t v = 0; v < 4; v++) {
            add_products(&sum[v][0], x[v], a);
            add_products(&sum[v][1], x[v], b);
            add_products(&sum[v][2], x[v], c);
        }
    }
    for (size_t v = 0; v < 4; v++)
        out[v] = whole_sum(sum[v][0], sum[v][1], sum[v][2]);
}

/* Sixty-four bytes, or those of the mask. */
static inline __m512i columns64(const uint8_t *in, const int8_t *pieces, size_t count, size_t bytes,
                                __mmask64 some, bool all)
{
    __m512i sum[4];

    if (count <= 4)
        sum_few_rows(sum, in, pieces, count, bytes, some, all, 1);
    else if (count <= 8)
        sum_few_rows(sum, in, pieces, count, bytes, some, all, 2);
    else
        sum_rows(sum, in, pieces, count, bytes, some, all);
    for (size_t v = 0; v < 4; v++)
        sum[v] = _mm512_srai_epi32(sum[v], CAFI_WEIGHT_BITS);
    return _mm512_packus_epi16(_mm512_packs_epi32(sum[0], sum[1]),
                               _mm512_packs_epi32(sum[2], sum[3]));
}

static void column(uint8_t *out, const uint8_t *in, const cafi_resample_filter *f, size_t y,
                   size_t bytes)
{
    const int8_t *pieces = f->pieces + y * f->taps * 4;
    size_t at = 0;

    for (; at + 64 <= bytes; at += 64)
        _mm512_storeu_si512(out + at, columns64(in + at, pieces, f->count[y], bytes, 0, true));
    if (at < bytes) {
        __mmask64 some = ((__mmask64)1 << (bytes - at)) - 1;

        _mm512_mask_storeu_epi8(out + at, some,
                                columns64(in + at, pieces, f->count[y], bytes, some, false));
    }
}

#else

/* Bytes from `at` on, one by one. */
static void column_rest(uint8_t *out, const uint8_t *in, const int32_t *w, size_t count,
                        size_t bytes, size_t at)
{
    for (; at < bytes; at++) {
        int32_t sum = 0;

        for (size_t k = 0; k < count; k++)
            sum += in[k * bytes + at] * w[k];
        out[at] = to_byte(sum);
    }
}

#if defined(__AVX512BW__)

/* Sixteen bytes of `count` rows, summed. */
static inline __m128i column16(const uint8_t *in, const int32_t *w, size_t count, size_t bytes)
{
    __m512i sum = _mm512_set1_epi32(ROUND);

    for (size_t k = 0; k < count; k++)
        sum = _mm512_add_epi32(
            sum, _mm512_mullo_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128(
                                        (const __m128i *)(const void *)(in + k * bytes))),
                                    _mm512_set1_epi32(w[k])));
    return _mm512_cvtusepi32_epi8(
        _mm512_max_epi32(_mm512_srai_epi32(sum, CAFI_WEIGHT_BITS), _mm512_setzero_si512()));
}

static void column(uint8_t *out, const uint8_t *in, const cafi_resample_filter *f, size_t y,
                   size_t bytes)
{
    const int32_t *w = f->weights + y * f->taps;
    size_t at = 0, count = f->count[y];

    for (; at + 64 <= bytes; at += 64)
        for (size_t i = at; i < at + 64; i += 16)
            _mm_storeu_si128((__m128i *)(void *)(out + i), column16(in + i, w, count, bytes));
    for (; at + 16 <= bytes; at += 16)
        _mm_storeu_si128((__m128i *)(void *)(out + at), column16(in + at, w, count, bytes));
    column_rest(out, in, w, count, bytes, at);
}

#else

#define BLOCK 128

static void column(uint8_t *out, const uint8_t *in, const cafi_resample_filter *f, size_t y,
                   size_t bytes)
{
    const int32_t *w = f->weights + y * f->taps;
    size_t at = 0, count = f->count[y];

    for (; at + BLOCK <= bytes; at += BLOCK) {
        int32_t sum[BLOCK] = {0};

        for (size_t k = 0; k < count; k++)
            for (size_t i = 0; i < BLOCK; i++)
                sum[i] += in[k * bytes + at + i] * w[k];
        for (size_t i = 0; i < BLOCK; i++)
            out[at + i] = to_byte(sum[i]);
    }
    column_rest(out, in, w, count, bytes, at);
}

#endif
#endif

const cafi_resample_kernels KERNELS = {row, pair, four, column};
