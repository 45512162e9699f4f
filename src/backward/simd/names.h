/* As math/simd/names.h: the sources of this folder are compiled once for each
 * instruction set, whose name every shared function carries. */
#ifndef CAFI_BACKWARD_SIMD_NAMES_H
#define CAFI_BACKWARD_SIMD_NAMES_H

#include "backward/kernels.h"
#include "math/simd/names.h"

#define cafi_simd_layernorm_bwd CAFI_SIMD_NAME(cafi_layernorm_bwd)
#define cafi_simd_gelu_save CAFI_SIMD_NAME(cafi_gelu_save)
#define cafi_simd_gelu_bwd CAFI_SIMD_NAME(cafi_gelu_bwd)
#define cafi_simd_softmax_columns_bwd CAFI_SIMD_NAME(cafi_softmax_columns_bwd)
#define cafi_simd_column_sums CAFI_SIMD_NAME(cafi_column_sums)
#define cafi_simd_attention_bwd CAFI_SIMD_NAME(cafi_attention_bwd)

void cafi_simd_layernorm_bwd(float *dx, float *dgamma, float *dbeta, const float *dy,
                             const float *x, const float *stats, const float *gamma, size_t R,
                             size_t K);
void cafi_simd_gelu_save(float *y, float *slope, const float *x, size_t n);
void cafi_simd_gelu_bwd(float *dx, const float *dy, const float *slope, size_t n);
void cafi_simd_softmax_columns_bwd(float *dx, const float *dy, const float *y, size_t M, size_t N);
void cafi_simd_column_sums(float *sum, const float *x, size_t ldx, size_t R, size_t K);
void cafi_simd_attention_bwd(const cafi_attention_grad *g);

#endif
