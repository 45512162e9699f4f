/* One element of a map, read and written as a float; for kernels. */
#ifndef CAFI_GRAPH_ELEM_H
#define CAFI_GRAPH_ELEM_H

#include <string.h>

#include "graph/kernels.h"

#define CAFI_INLINE static inline __attribute__((always_inline))

CAFI_INLINE float cafi_elem_load(const void *x, cafi_elem elem, size_t i)
{
    if (elem == CAFI_ELEM_BF16) {
        uint32_t bits = (uint32_t)((const uint16_t *)x)[i] << 16;
        float value;

        memcpy(&value, &bits, sizeof value);
        return value;
    }
    return ((const float *)x)[i];
}

/* To bf16 rounded to nearest even (a NaN may become infinite: maps hold none
 * that matters); to s8 as cafi_pass_args says. */
CAFI_INLINE void cafi_elem_store(void *y, cafi_elem elem, size_t i, float value,
                                 float inverse_quantum)
{
    if (elem == CAFI_ELEM_F32) {
        ((float *)y)[i] = value;
    } else if (elem == CAFI_ELEM_BF16) {
        uint32_t bits;

        memcpy(&bits, &value, sizeof bits);
        bits += 0x7fffu + (bits >> 16 & 1u);
        ((uint16_t *)y)[i] = (uint16_t)(bits >> 16);
    } else {
        float v = __builtin_rintf(value * inverse_quantum);

        v = v > 127.f ? 127.f : v;
        v = v < -127.f ? -127.f : v;
        ((int8_t *)y)[i] = (int8_t)(int32_t)v;
    }
}

#endif
