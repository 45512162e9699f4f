/* A vector of floats as wide as the instruction set this is compiled for, and
 * exp and erf on it. */
#ifndef CAFI_MATH_SIMD_VECTOR_H
#define CAFI_MATH_SIMD_VECTOR_H

#if defined(__ARM_NEON)
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif
#include <stddef.h>
#include <stdint.h>

#define CAFI_INLINE static inline __attribute__((always_inline, unused))

/* Written in front of loops of a constant count that hold an array of vectors:
 * unrolled, the array lives in registers. */
#if defined(__clang__)
#define CAFI_UNROLL _Pragma("unroll")
#else
#define CAFI_UNROLL _Pragma("GCC unroll 32")
#endif

#if defined(__AVX512F__)

#define VF 16 /* floats in a vector */
typedef __m512 vf;
typedef __m512d vd;
#define REGISTER "+v"

CAFI_INLINE vf vf_zero(void)
{
    return _mm512_setzero_ps();
}
CAFI_INLINE vf vf_all(float v)
{
    return _mm512_set1_ps(v);
}
CAFI_INLINE vf vf_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
CAFI_INLINE void vf_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}
CAFI_INLINE __mmask16 vf_mask(size_t n)
{
    return n >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1u);
}
/* The first n floats; the others are zero. */
CAFI_INLINE vf vf_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(vf_mask(n), p);
}
CAFI_INLINE void vf_store_n(float *p, vf v, size_t n)
{
    _mm512_mask_storeu_ps(p, vf_mask(n), v);
}
/* v with every lane from n on replaced by other. */
CAFI_INLINE vf vf_keep_n(vf v, float other, size_t n)
{
    return _mm512_mask_blend_ps(vf_mask(n), vf_all(other), v);
}
CAFI_INLINE vf vf_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
CAFI_INLINE vf vf_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
CAFI_INLINE vf vf_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
CAFI_INLINE vf vf_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
CAFI_INLINE vf vf_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
CAFI_INLINE vf vf_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
/* a * b + c, rounded once. */
CAFI_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
/* c - a * b, rounded once. */
CAFI_INLINE vf vf_fnma(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
CAFI_INLINE float vf_sum(vf v)
{
    return _mm512_reduce_add_ps(v);
}
CAFI_INLINE float vf_top(vf v)
{
    return _mm512_reduce_max_ps(v);
}
CAFI_INLINE vf vf_round(vf v)
{
    return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* v * 2^n for integral n. */
CAFI_INLINE vf vf_scale(vf v, vf n)
{
    return _mm512_scalef_ps(v, n);
}
/* v where v > 0, else other. */
CAFI_INLINE vf vf_positive_or(vf v, vf other)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(v, vf_zero(), _CMP_GT_OQ), other, v);
}
/* Bit i: is a >= b in lane i, of the first n; never where one is NaN. */
CAFI_INLINE unsigned vf_at_least(vf a, vf b, size_t n)
{
    return _mm512_mask_cmp_ps_mask(vf_mask(n), a, b, _CMP_GE_OQ);
}
/* VF half precision numbers, and back, rounded to nearest even. */
CAFI_INLINE vf vf_from_halves(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
CAFI_INLINE void vf_to_halves(uint16_t *p, vf v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
/* Even and odd lanes of 2*VF consecutive floats. */
CAFI_INLINE void vf_load_pairs(const float *p, vf *even, vf *odd)
{
    const __m512i first =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i second =
        _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    vf a = vf_load(p);
    vf b = vf_load(p + 16);

    *even = _mm512_permutex2var_ps(a, first, b);
    *odd = _mm512_permutex2var_ps(a, second, b);
}
/* Is any lane NaN or Inf? */
CAFI_INLINE int vf_any_odd(vf v)
{
    return _mm512_fpclass_ps_mask(v, 0x99) != 0; /* QNaN, +Inf, -Inf, SNaN */
}

#define VD 8
CAFI_INLINE vd vd_zero(void)
{
    return _mm512_setzero_pd();
}
CAFI_INLINE vd vd_all(double v)
{
    return _mm512_set1_pd(v);
}
CAFI_INLINE vd vd_load(const double *p)
{
    return _mm512_loadu_pd(p);
}
CAFI_INLINE void vd_store(double *p, vd v)
{
    _mm512_storeu_pd(p, v);
}
/* VD floats, widened. */
CAFI_INLINE vd vd_from_floats(const float *p)
{
    return _mm512_cvtps_pd(_mm256_loadu_ps(p));
}
CAFI_INLINE vd vd_fma(vd a, vd b, vd c)
{
    return _mm512_fmadd_pd(a, b, c);
}
CAFI_INLINE double vd_sum(vd v)
{
    return _mm512_reduce_add_pd(v);
}
CAFI_INLINE vd vd_add(vd a, vd b)
{
    return _mm512_add_pd(a, b);
}
CAFI_INLINE vd vd_sub(vd a, vd b)
{
    return _mm512_sub_pd(a, b);
}
/* VD integers of 64 bits. */
typedef __m512i vl;
CAFI_INLINE vl vl_all(int64_t v)
{
    return _mm512_set1_epi64(v);
}
CAFI_INLINE vl vl_load(const int64_t *p)
{
    return _mm512_loadu_si512(p);
}
CAFI_INLINE void vl_store(int64_t *p, vl v)
{
    _mm512_storeu_si512(p, v);
}
/* Sums wrap. */
CAFI_INLINE vl vl_add(vl a, vl b)
{
    return _mm512_add_epi64(a, b);
}
/* The bits of doubles. */
CAFI_INLINE vl vl_bits(vd v)
{
    return _mm512_castpd_si512(v);
}

#elif defined(__ARM_NEON)

#define VF 4
typedef float32x4_t vf;
typedef float64x2_t vd;
#define REGISTER "+w"

CAFI_INLINE vf vf_zero(void)
{
    return vdupq_n_f32(0);
}
CAFI_INLINE vf vf_all(float v)
{
    return vdupq_n_f32(v);
}
CAFI_INLINE vf vf_load(const float *p)
{
    return vld1q_f32(p);
}
CAFI_INLINE void vf_store(float *p, vf v)
{
    vst1q_f32(p, v);
}
CAFI_INLINE vf vf_load_n(const float *p, size_t n)
{
    float part[4] = {0, 0, 0, 0};

    if (n >= 4)
        return vld1q_f32(p);
    for (size_t i = 0; i < n; i++)
        part[i] = p[i];
    return vld1q_f32(part);
}
CAFI_INLINE void vf_store_n(float *p, vf v, size_t n)
{
    float part[4];

    if (n >= 4) {
        vst1q_f32(p, v);
        return;
    }
    vst1q_f32(part, v);
    for (size_t i = 0; i < n; i++)
        p[i] = part[i];
}
CAFI_INLINE vf vf_keep_n(vf v, float other, size_t n)
{
    static const uint32_t lane[4] = {0, 1, 2, 3};
    uint32x4_t kept = vcltq_u32(vld1q_u32(lane), vdupq_n_u32(n > 4 ? 4 : (uint32_t)n));

    return vbslq_f32(kept, v, vdupq_n_f32(other));
}
CAFI_INLINE vf vf_add(vf a, vf b)
{
    return vaddq_f32(a, b);
}
CAFI_INLINE vf vf_sub(vf a, vf b)
{
    return vsubq_f32(a, b);
}
CAFI_INLINE vf vf_mul(vf a, vf b)
{
    return vmulq_f32(a, b);
}
CAFI_INLINE vf vf_div(vf a, vf b)
{
    return vdivq_f32(a, b);
}
CAFI_INLINE vf vf_max(vf a, vf b)
{
    return vmaxq_f32(a, b);
}
CAFI_INLINE vf vf_min(vf a, vf b)
{
    return vminq_f32(a, b);
}
CAFI_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return vfmaq_f32(c, a, b);
}
CAFI_INLINE vf vf_fnma(vf a, vf b, vf c)
{
    return vfmsq_f32(c, a, b);
}
CAFI_INLINE float vf_sum(vf v)
{
    return vaddvq_f32(v);
}
CAFI_INLINE float vf_top(vf v)
{
    return vmaxvq_f32(v);
}
CAFI_INLINE vf vf_round(vf v)
{
    return vrndnq_f32(v);
}
/* For n in -126..127. */
CAFI_INLINE vf vf_scale(vf v, vf n)
{
    int32x4_t bits = vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)), 23);

    return vmulq_f32(v, vreinterpretq_f32_s32(bits));
}
CAFI_INLINE vf vf_positive_or(vf v, vf other)
{
    return vbslq_f32(vcgtq_f32(v, vdupq_n_f32(0)), v, other);
}
CAFI_INLINE unsigned vf_at_least(vf a, vf b, size_t n)
{
    static const uint32_t bit[4] = {1, 2, 4, 8};
    unsigned lanes = n >= 4 ? 0xfu : (1u << n) - 1u;

    return vaddvq_u32(vandq_u32(vcgeq_f32(a, b), vld1q_u32(bit))) & lanes;
}
CAFI_INLINE vf vf_from_halves(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
CAFI_INLINE void vf_to_halves(uint16_t *p, vf v)
{
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
}
CAFI_INLINE void vf_load_pairs(const float *p, vf *even, vf *odd)
{
    float32x4x2_t pairs = vld2q_f32(p);

    *even = pairs.val[0];
    *odd = pairs.val[1];
}
CAFI_INLINE int vf_any_odd(vf v)
{
    const uint32x4_t exponent = vdupq_n_u32(0x7f800000);
    uint32x4_t bits = vandq_u32(vreinterpretq_u32_f32(v), exponent);

    return vmaxvq_u32(vceqq_u32(bits, exponent)) != 0;
}

#define VD 2
CAFI_INLINE vd vd_zero(void)
{
    return vdupq_n_f64(0);
}
CAFI_INLINE vd vd_all(double v)
{
    return vdupq_n_f64(v);
}
CAFI_INLINE vd vd_load(const double *p)
{
    return vld1q_f64(p);
}
CAFI_INLINE void vd_store(double *p, vd v)
{
    vst1q_f64(p, v);
}
CAFI_INLINE vd vd_from_floats(const float *p)
{
    return vcvt_f64_f32(vld1_f32(p));
}
CAFI_INLINE vd vd_fma(vd a, vd b, vd c)
{
    return vfmaq_f64(c, a, b);
}
CAFI_INLINE double vd_sum(vd v)
{
    return vaddvq_f64(v);
}
CAFI_INLINE vd vd_add(vd a, vd b)
{
    return vaddq_f64(a, b);
}
CAFI_INLINE vd vd_sub(vd a, vd b)
{
    return vsubq_f64(a, b);
}
typedef int64x2_t vl;
CAFI_INLINE vl vl_all(int64_t v)
{
    return vdupq_n_s64(v);
}
CAFI_INLINE vl vl_load(const int64_t *p)
{
    return vld1q_s64(p);
}
CAFI_INLINE void vl_store(int64_t *p, vl v)
{
    vst1q_s64(p, v);
}
CAFI_INLINE vl vl_add(vl a, vl b)
{
    return vaddq_s64(a, b);
}
CAFI_INLINE vl vl_bits(vd v)
{
    return vreinterpretq_s64_f64(v);
}

#else /* AVX2 and FMA */

#define VF 8
typedef __m256 vf;
typedef __m256d vd;
#define REGISTER "+x"

CAFI_INLINE vf vf_zero(void)
{
    return _mm256_setzero_ps();
}
CAFI_INLINE vf vf_all(float v)
{
    return _mm256_set1_ps(v);
}
CAFI_INLINE vf vf_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
CAFI_INLINE void vf_store(float *p, vf v)
{
    _mm256_storeu_ps(p, v);
}
CAFI_INLINE __m256i vf_mask(size_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n > 8 ? 8 : (int)n), lane);
}
CAFI_INLINE vf vf_load_n(const float *p, size_t n)
{
    return _mm256_maskload_ps(p, vf_mask(n));
}
CAFI_INLINE void vf_store_n(float *p, vf v, size_t n)
{
    _mm256_maskstore_ps(p, vf_mask(n), v);
}
CAFI_INLINE vf vf_keep_n(vf v, float other, size_t n)
{
    return _mm256_blendv_ps(vf_all(other), v, _mm256_castsi256_ps(vf_mask(n)));
}
CAFI_INLINE vf vf_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
CAFI_INLINE vf vf_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
CAFI_INLINE vf vf_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
CAFI_INLINE vf vf_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}
CAFI_INLINE vf vf_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
CAFI_INLINE vf vf_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
CAFI_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
CAFI_INLINE vf vf_fnma(vf a, vf b, vf c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
CAFI_INLINE float vf_sum(vf v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
CAFI_INLINE float vf_top(vf v)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
CAFI_INLINE vf vf_round(vf v)
{
    return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* For n in -126..127. */
CAFI_INLINE vf vf_scale(vf v, vf n)
{
    __m256i bits =
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);

    return vf_mul(v, _mm256_castsi256_ps(bits));
}
CAFI_INLINE vf vf_positive_or(vf v, vf other)
{
    return _mm256_blendv_ps(other, v, _mm256_cmp_ps(v, vf_zero(), _CMP_GT_OQ));
}
CAFI_INLINE unsigned vf_at_least(vf a, vf b, size_t n)
{
    unsigned lanes = n >= 8 ? 0xffu : (1u << n) - 1u;

    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ)) & lanes;
}
CAFI_INLINE vf vf_from_halves(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
CAFI_INLINE void vf_to_halves(uint16_t *p, vf v)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
CAFI_INLINE void vf_load_pairs(const float *p, vf *even, vf *odd)
{
    vf a = vf_load(p);
    vf b = vf_load(p + 8);
    vf low = _mm256_permute2f128_ps(a, b, 0x20);
    vf high = _mm256_permute2f128_ps(a, b, 0x31);

    *even = _mm256_shuffle_ps(low, high, 0x88);
    *odd = _mm256_shuffle_ps(low, high, 0xdd);
}
CAFI_INLINE int vf_any_odd(vf v)
{
    const __m256i exponent = _mm256_set1_epi32(0x7f800000);
    __m256i bits = _mm256_and_si256(_mm256_castps_si256(v), exponent);

    return _mm256_movemask_epi8(_mm256_cmpeq_epi32(bits, exponent)) != 0;
}

#define VD 4
CAFI_INLINE vd vd_zero(void)
{
    return _mm256_setzero_pd();
}
CAFI_INLINE vd vd_all(double v)
{
    return _mm256_set1_pd(v);
}
CAFI_INLINE vd vd_load(const double *p)
{
    return _mm256_loadu_pd(p);
}
CAFI_INLINE void vd_store(double *p, vd v)
{
    _mm256_storeu_pd(p, v);
}
CAFI_INLINE vd vd_from_floats(const float *p)
{
    return _mm256_cvtps_pd(_mm_loadu_ps(p));
}
CAFI_INLINE vd vd_fma(vd a, vd b, vd c)
{
    return _mm256_fmadd_pd(a, b, c);
}
CAFI_INLINE double vd_sum(vd v)
{
    __m128d s = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));

    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}
CAFI_INLINE vd vd_add(vd a, vd b)
{
    return _mm256_add_pd(a, b);
}
CAFI_INLINE vd vd_sub(vd a, vd b)
{
    return _mm256_sub_pd(a, b);
}
typedef __m256i vl;
CAFI_INLINE vl vl_all(int64_t v)
{
    return _mm256_set1_epi64x(v);
}
CAFI_INLINE vl vl_load(const int64_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
CAFI_INLINE void vl_store(int64_t *p, vl v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, v);
}
CAFI_INLINE vl vl_add(vl a, vl b)
{
    return _mm256_add_epi64(a, b);
}
CAFI_INLINE vl vl_bits(vd v)
{
    return _mm256_castpd_si256(v);
}

#endif

/* v, which the compiler may not read from memory again at every use: GCC does
 * when there are few, and then reads more than it multiplies. */
CAFI_INLINE vf vf_in_register(vf v)
{
    __asm__("" : REGISTER(v));
    return v;
}

/* 2^v: v = n + f with |f| <= 1/2, and a polynomial for 2^f whose relative error
 * is 2e-9. Below 2^-126 the result is 2^-126 or 0. */
CAFI_INLINE vf vf_exp2(vf v)
{
    vf x = vf_min(vf_max(v, vf_all(-126.0f)), vf_all(127.0f));
    vf n = vf_round(x);
    vf f = vf_sub(x, n);
    vf p = vf_all(0.000153533605f);

    p = vf_fma(p, f, vf_all(0.0013398875f));
    p = vf_fma(p, f, vf_all(0.00961843692f));
    p = vf_fma(p, f, vf_all(0.0555033237f));
    p = vf_fma(p, f, vf_all(0.240226477f));
    p = vf_fma(p, f, vf_all(0.693147182f));
    p = vf_fma(p, f, vf_all(1.0f));
    return vf_scale(p, n);
}

/* erf(z) = z P(z^2)/Q(z^2), fitted on |z| <= 3.92 to a relative error of 2e-8;
 * beyond, erf is 1 to the last bit but one. Within 5e-7 of erf in floats. */
CAFI_INLINE vf vf_erf(vf v)
{
    vf z = vf_min(vf_max(v, vf_all(-3.92f)), vf_all(3.92f));
    vf t = vf_mul(z, z);
    vf p = vf_all(2.05009701e-06f);
    vf q = vf_all(3.80917445e-05f);

    p = vf_fma(p, t, vf_all(0.000284881418f));
    p = vf_fma(p, t, vf_all(0.00376556139f));
    p = vf_fma(p, t, vf_all(0.0527485535f));
    p = vf_fma(p, t, vf_all(0.19040519f));
    p = vf_fma(p, t, vf_all(1.12837911f));
    q = vf_fma(q, t, vf_all(0.00116252189f));
    q = vf_fma(q, t, vf_all(0.0149691068f));
    q = vf_fma(q, t, vf_all(0.114108585f));
    q = vf_fma(q, t, vf_all(0.502074957f));
    q = vf_fma(q, t, vf_all(1.0f));
    return vf_div(vf_mul(z, p), q);
}

/* The exact GELU. */
CAFI_INLINE vf vf_gelu(vf v)
{
    vf half = vf_mul(v, vf_all(0.5f));

    return vf_fma(half, vf_erf(vf_mul(v, vf_all(0.70710678f))), half);
}

#endif
