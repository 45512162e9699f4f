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
 * unrolled, the array lives in registers. A compiler takes many minutes for that
 * with AddressSanitizer's checks between, where nothing need be fast. */
#if defined(__SANITIZE_ADDRESS__) /* GCC */
#define CAFI_UNROLL
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CAFI_UNROLL
#endif
#endif
#if !defined(CAFI_UNROLL) && defined(__clang__)
#define CAFI_UNROLL _Pragma("unroll")
#elif !defined(CAFI_UNROLL)
#define CAFI_UNROLL _Pragma("GCC unroll 32")
#endif

#if defined(__AVX512F__)
#include "math/simd/vector_avx512.h"
#elif defined(__ARM_NEON)
#include "math/simd/vector_neon.h"
#else
#include "math/simd/vector_avx2.h"
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
