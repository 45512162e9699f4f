/* The vector of AVX-512: 16 floats; math/simd/vector.h takes one of the three. */
#ifndef CAFI_MATH_SIMD_VECTOR_AVX512_H
#define CAFI_MATH_SIMD_VECTOR_AVX512_H

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
/* The larger of each two neighbours of a, then of b. */
CAFI_INLINE vf vf_larger(vf a, vf b)
{
    const __m512i first =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i second =
        _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);

    return _mm512_max_ps(_mm512_permutex2var_ps(a, first, b), _mm512_permutex2var_ps(a, second, b));
}
/* The first n floats of either half of v, 1 at least; lower and upper may be the same place, where
 * the lower half remains. */
CAFI_INLINE void vf_store_halves(float *lower, float *upper, vf v, size_t n)
{
    __m256 first = _mm512_castps512_ps256(v), second = _mm512_extractf32x8_ps(v, 1);

    if (n == VF / 2) {
        _mm256_storeu_ps(upper, second);
        _mm256_storeu_ps(lower, first);
    } else {
        _mm256_mask_storeu_ps(upper, (__mmask8)vf_mask(n), second);
        _mm256_mask_storeu_ps(lower, (__mmask8)vf_mask(n), first);
    }
}
/* slope * v where v is below zero, v elsewhere. */
CAFI_INLINE vf vf_prelu(vf v, vf slope)
{
    return _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_LT_OQ), v, slope);
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

#endif
