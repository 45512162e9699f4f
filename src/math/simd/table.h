/* The fast versions of cafi_kernels, one table for each instruction set. */
#ifndef CAFI_MATH_SIMD_TABLE_H
#define CAFI_MATH_SIMD_TABLE_H

#include "math/kernels.h"

extern const cafi_kernels cafi_kernels_avx2;
extern const cafi_kernels cafi_kernels_avx512;
extern const cafi_kernels cafi_kernels_neon;
/* AVX-512 with VNNI, or NEON with Arm's dot product, for the products of int8 codes. */
extern const cafi_kernels cafi_kernels_byte_dot;

#endif
