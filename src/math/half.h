/* IEEE 754 half precision, one number each way. */
#ifndef CAFI_MATH_HALF_H
#define CAFI_MATH_HALF_H

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A float by its bits, and its bits. */
static inline float cafi_f32_of(uint32_t bits)
{
    float f;

    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t cafi_f32_bits(float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* A half precision number as a float, which it is exactly. Without branches, so that compilers
 * vectorise it, and without denormal floats in between, so that it is right when they are flushed:
 * a normal number is moved to the float's exponent range and scaled back; a subnormal one is put
 * below 0.5 in the mantissa and 0.5 taken away again. */
static inline float cafi_f16_to_f32(uint16_t half)
{
    uint32_t wide = (uint32_t)half << 16;
    uint32_t magnitude = wide + wide;
    float normal = cafi_f32_of((magnitude >> 4) + (0xE0u << 23)) * 0x1.0p-112f;
    float small = cafi_f32_of((magnitude >> 17) | (126u << 23)) - 0.5f;
    uint32_t bits = magnitude < (1u << 27) ? cafi_f32_bits(small) : cafi_f32_bits(normal);

    return cafi_f32_of((wide & 0x80000000u) | bits);
}

/* Rounded to nearest even. */
static inline uint16_t cafi_f32_to_f16(float value)
{
    uint32_t bits = cafi_f32_bits(value);
    uint32_t sign = (bits >> 16) & 0x8000u;
    uint32_t magnitude = bits & 0x7fffffffu;
    uint32_t half = 0;
    uint32_t rest = 0;
    uint32_t middle = 0;

    if (magnitude > 0x7f800000u) /* NaN: keep it one, quiet */
        return (uint16_t)(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
    if (magnitude >= 0x47800000u) /* 65536 and above, infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude >= 0x38800000u) { /* normal halves: 2^-14 and above */
        half = (magnitude - 0x38000000u) >> 13;
        rest = magnitude & 0x1fffu;
        middle = 0x1000u;
    } else if (magnitude >= 0x33000000u) { /* 2^-25 and above */
        uint32_t shift = 126u - (magnitude >> 23);
        uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;

        half = mantissa >> shift;
        rest = mantissa & ((1u << shift) - 1u);
        middle = 1u << (shift - 1u);
    }
    /* A carry runs into the exponent, up to infinity, as it should. */
    if (rest > middle || (rest == middle && middle && (half & 1u)))
        half++;
    return (uint16_t)(sign | half);
}

/* The first of n floats that is a number and beyond the largest half, 65504, so that it would
 * become infinite; n: none. */
static inline size_t cafi_first_beyond_f16(const float *x, size_t n)
{
    size_t i = 0;

    while (i < n && !(fabsf(x[i]) >= 65520.0f && fabsf(x[i]) <= FLT_MAX))
        i++;
    return i;
}

#endif
