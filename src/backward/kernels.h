/* The table of training's kernels, in the manner of math/kernels.h: plain C is the
 * definition, faster versions fill the same slots. */
#ifndef CAFI_BACKWARD_KERNELS_H
#define CAFI_BACKWARD_KERNELS_H

#include "backward/attention.h"
#include "base/cpu.h"

/* backward/rows.h and backward/attention.h, by the same names. */
typedef struct cafi_backward_kernels {
    cafi_isa isa;
    void (*layernorm_bwd)(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x,
                          const float *stats, const float *gamma, size_t R, size_t K);
    void (*gelu_save)(float *y, float *slope, const float *x, size_t n);
    void (*gelu_bwd)(float *dx, const float *dy, const float *slope, size_t n);
    void (*softmax_columns_bwd)(float *dx, const float *dy, const float *y, size_t M, size_t N);
    void (*column_sums)(float *sum, const float *x, size_t ldx, size_t R, size_t K);
    void (*attention_bwd)(const cafi_attention_grad *g);
} cafi_backward_kernels;

/* As cafi_kernels_for and cafi_kernels_get. */
const cafi_backward_kernels *cafi_backward_for(cafi_isa isa);
const cafi_backward_kernels *cafi_backward_get(void);

#endif
