/* The fast versions of cafi_backward_kernels, one table for each instruction set. */
#ifndef CAFI_BACKWARD_SIMD_TABLE_H
#define CAFI_BACKWARD_SIMD_TABLE_H

#include "backward/kernels.h"

extern const cafi_backward_kernels cafi_backward_avx2;
extern const cafi_backward_kernels cafi_backward_avx512;
extern const cafi_backward_kernels cafi_backward_neon;

#endif
