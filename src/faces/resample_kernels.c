/* Compiled once for every instruction set (meson.build). Whole numbers: every
 * version gives the same bytes. KERNELS names the table. */
#include "faces/resample_kernels.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#ifndef KERNELS
#define KERNELS cafi_resample_kernels_plain
#endif

#define ROUND (1 << (CAFI_WEIGHT_BITS - 1))

static inline uint8_t to_byte(int32_t sum)
{
    int32_t v = (sum + ROUND) >> CAFI_WEIGHT_BITS;

    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

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

/* Four outputs of one row from their sums by pieces of the weights; 12 bytes. */
static inline void put_four(uint8_t *out, __m512i a, __m512i b, __m512i c)
{
    __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(c, 16), _mm512_slli_epi32(b, 8));
    __m128i bytes;

    sum = _mm512_add_epi32(_mm512_add_epi32(sum, a), _mm512_set1_epi32(ROUND));
    sum = _mm512_max_epi32(_mm512_srai_epi32(sum, CAFI_WEIGHT_BITS), _mm512_setzero_si512());
    bytes = _mm_shuffle_epi8(
        _mm512_cvtusepi32_epi8(sum),
        _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -128, -128, -128, -128));
    _mm_mask_storeu_epi8(out, 0x0FFF, bytes);
}

/* Four outputs of four rows at once: one of a row in every quarter of a vector, four of its taps
 * in each channel's four bytes. */
static void four(uint8_t *out, size_t out_step, const uint8_t *in, size_t in_step,
                 const cafi_resample_filter *f, size_t width)
{
    const __m512i spread = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -128, -128, -128, -128));
    size_t o = 0, step = f->taps * 4;

    for (; o + 4 <= width; o += 4) {
        const uint8_t *p[4];
        const int8_t *w = f->pieces + o * step;
        __m512i sum[4][3];
        uint32_t most = 0;

        for (size_t k = 0; k < 4; k++) {
            p[k] = in + (size_t)f->first[o + k] * 3;
            most = f->count[o + k] > most ? f->count[o + k] : most;
            for (size_t r = 0; r < 3; r++)
                sum[k][r] = _mm512_setzero_si512();
        }
        for (uint32_t k = 0; k < most; k += 4, w += 16) {
            __m512i all = from_four(w, w + step, w + 2 * step, w + 3 * step);
            __m512i a = _mm512_shuffle_epi32(all, 0x00), b = _mm512_shuffle_epi32(all, 0x55);
            __m512i c = _mm512_shuffle_epi32(all, 0xAA);

#pragma GCC unroll 4
            for (size_t r = 0; r < 4; r++) {
                size_t at = r * in_step + 3 * k;
                __m512i x = _mm512_shuffle_epi8(
                    from_four(p[0] + at, p[1] + at, p[2] + at, p[3] + at), spread);

                sum[r][0] = _mm512_dpbusd_epi32(sum[r][0], x, a);
                sum[r][1] = _mm512_dpbusd_epi32(sum[r][1], x, b);
                sum[r][2] = _mm512_dpbusd_epi32(sum[r][2], x, c);
            }
        }
#pragma GCC unroll 4
        for (size_t r = 0; r < 4; r++)
            put_four(out + r * out_step + 3 * o, sum[r][0], sum[r][1], sum[r][2]);
    }
    pair_from(out, out_step, in, in_step, f, o, width);
    pair_from(out + 2 * out_step, out_step, in + 2 * in_step, in_step, f, o, width);
}

#else

static void four(uint8_t *out, size_t out_step, const uint8_t *in, size_t in_step,
                 const cafi_resample_filter *f, size_t width)
{
    pair(out, out_step, in, in_step, f, width);
    pair(out + 2 * out_step, out_step, in + 2 * in_step, in_step, f, width);
}

#endif

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

static void column(uint8_t *out, const uint8_t *in, const int32_t *w, size_t count, size_t bytes)
{
    size_t at = 0;

    for (; at + 64 <= bytes; at += 64)
        for (size_t i = at; i < at + 64; i += 16)
            _mm_storeu_si128((__m128i *)(void *)(out + i), column16(in + i, w, count, bytes));
    for (; at + 16 <= bytes; at += 16)
        _mm_storeu_si128((__m128i *)(void *)(out + at), column16(in + at, w, count, bytes));
    column_rest(out, in, w, count, bytes, at);
}

#else

#define BLOCK 128

static void column(uint8_t *out, const uint8_t *in, const int32_t *w, size_t count, size_t bytes)
{
    size_t at = 0;

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

const cafi_resample_kernels KERNELS = {row, pair, four, column};
