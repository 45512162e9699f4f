/* The vector of NEON: 4 floats; math/simd/vector.h takes one of the three. */
#ifndef CAFI_MATH_SIMD_VECTOR_NEON_H
#define CAFI_MATH_SIMD_VECTOR_NEON_H

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
/* The larger of each two neighbours of a, then of b. */
CAFI_INLINE vf vf_larger(vf a, vf b)
{
    return vpmaxq_f32(a, b);
}
/* The first n floats of either half of v, 1 at least; lower and upper may be the same place, where
 * the lower half remains. */
CAFI_INLINE void vf_store_halves(float *lower, float *upper, vf v, size_t n)
{
    if (n > 1) {
        vst1_f32(upper, vget_high_f32(v));
        vst1_f32(lower, vget_low_f32(v));
    } else {
        vst1q_lane_f32(upper, v, 2);
        vst1q_lane_f32(lower, v, 0);
    }
}
/* slope * v where v is below zero, v elsewhere. */
CAFI_INLINE vf vf_prelu(vf v, vf slope)
{
    return vbslq_f32(vcltzq_f32(v), vmulq_f32(v, slope), v);
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

#endif
