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

/* Two pixels at a time, each three bytes and an idle lane. */
static void row(uint8_t *out, const uint8_t *in, const cafi_resample_filter *f, size_t width)
{
    const __m128i spread =
        _mm_setr_epi8(0, 1, 2, -128, 3, 4, 5, -128, -128, -128, -128, -128, -128, -128, -128, -128);

    for (size_t o = 0; o < width; o++, out += 3) {
        const uint8_t *p = in + (size_t)f->first[o] * 3;
        const int32_t *w = f->weights + o * f->taps;
        __m256i sum = _mm256_setzero_si256();
        __m128i half;
        uint32_t bytes = 0;

        for (uint32_t k = 0; k < f->count[o]; k += 2) {
            __m128i two = _mm_shuffle_epi8(
                _mm_loadl_epi64((const __m128i *)(const void *)(p + 3 * k)), spread);
            __m256i weights = _mm256_set_m128i(_mm_set1_epi32(w[k + 1]), _mm_set1_epi32(w[k]));

            sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(two), weights));
        }
        half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
        half = _mm_srai_epi32(_mm_add_epi32(half, _mm_set1_epi32(ROUND)), CAFI_WEIGHT_BITS);
        half = _mm_packus_epi16(_mm_packs_epi32(half, half), half);
        bytes = (uint32_t)_mm_cvtsi128_si32(half);
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
    for (; at < bytes; at++) {
        int32_t sum = 0;

        for (size_t k = 0; k < count; k++)
            sum += in[k * bytes + at] * w[k];
        out[at] = to_byte(sum);
    }
}

const cafi_resample_kernels KERNELS = {row, column};
