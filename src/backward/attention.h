/* The gradients of attention inside a chunk. */
#ifndef CAFI_BACKWARD_ATTENTION_H
#define CAFI_BACKWARD_ATTENTION_H

#include "math/attention.h"

/* Gradients of one call of cafi_attention: what a holds is what the forward got (out and
 * ldo are not used), and each d-array has the stride of its array. dq, dk and dv += ; the
 * probabilities are computed again, which is cheaper than keeping them. */
typedef struct cafi_attention_grad {
    const cafi_attention *a;
    const float *dout;
    size_t lddout;
    float *dq, *dk, *dv;
} cafi_attention_grad;

/* Floats of a->scratch that the backward needs, for N keys of width d. */
size_t cafi_attention_bwd_scratch(size_t N, size_t d);

/* The definition of cafi_backward_kernels.attention_bwd. */
void cafi_attention_bwd_plain(const cafi_attention_grad *g);

#endif
