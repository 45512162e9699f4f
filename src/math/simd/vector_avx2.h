/* The vector of AVX2 and FMA: 8 floats; math/simd/vector.h takes one of the three. */
#ifndef CAFI_MATH_SIMD_VECTOR_AVX2_H
#define CAFI_MATH_SIMD_VECTOR_AVX2_H

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
/* The larger of each two neighbours of a, then of b. */
CAFI_INLINE vf vf_larger(vf a, vf b)
{
    __m256 most = _mm256_max_ps(_mm256_shuffle_ps(a, b, 0x88), _mm256_shuffle_ps(a, b, 0xDD));

    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(most), 0xD8));
}
/* The first n floats of either half of v, 1 at least; lower and upper may be the same place, where
 * the lower half remains. */
CAFI_INLINE void vf_store_halves(float *lower, float *upper, vf v, size_t n)
{
    vf_store_n(upper, _mm256_permute2f128_ps(v, v, 1), n);
    vf_store_n(lower, v, n);
}
/* slope * v where v is below zero, v elsewhere. */
CAFI_INLINE vf vf_prelu(vf v, vf slope)
{
    return _mm256_blendv_ps(v, _mm256_mul_ps(v, slope), v);
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
