/* Convolutions of 1x1 by our own code, where the processor adds beside it multiplies.
 *
 * Zen 4 and its successors have units for sums of their own: as many additions cost nothing beside
 * products. So some pairs of input channels are taken together by Winograd's identity for inner
 * products ("A new algorithm for inner product", IEEE Transactions on Computers, 1968),
 *
 *     x1 w1 + x2 w2 = (x1 + w2) (x2 + w1) - x1 x2 - w1 w2,
 *
 * one product and two sums instead of two products; what is subtracted belongs to a position, or to
 * an output channel, alone. Of 32 input channels 10 pairs are, which makes 22 products and 20 sums
 * of 32 products. Sums of unlike numbers lose what the smaller one has: so every position is
 * scaled by the power of two that makes its largest number one to two, and every output channel's
 * weights likewise, and the error is that of a sum of as many products of the largest of both. */
#ifndef CAFI_GRAPH_POINTWISE_H
#define CAFI_GRAPH_POINTWISE_H

#include <stdbool.h>
#include <stddef.h>

#include "caface/status.h"

#define CAFI_POINTWISE_DEPTH 32 /* input channels of a block */
#define CAFI_POINTWISE_PAIRS 10 /* channels of the first half, each with one of the second */
#define CAFI_POINTWISE_WIDTH 32 /* output channels of a block */
/* Pairs of channels, and positions, from which on it is worth it; positions from which on two parts
 * of a map have enough of them. */
#define CAFI_POINTWISE_WORTH (32 * 64)
#define CAFI_POINTWISE_LEAST 16
#define CAFI_POINTWISE_MANY 100

/* Maps as graph/kernels.h has them; channels and lanes are multiples of 16. */
typedef struct cafi_pointwise_args {
    const float *x;
    float *y;
    size_t rows, positions, ins, outs;
    size_t in_lanes, out_lanes;
    size_t first, last;         /* positions to compute, of every row */
    size_t out_first, out_last; /* output channels; the first begins a block */
    const float *weights;       /* of cafi_pointwise_pack */
    const float *products, *scale, *bias;
    const float *slope; /* [outs]: of a PReLU at the end, or NULL */
    bool sum, clip;     /* y += result, then clip */
    float lo, hi;
    float *scratch; /* of cafi_pointwise_scratch floats */
} cafi_pointwise_args;

typedef void cafi_pointwise_kernel(const cafi_pointwise_args *args);

/* For this processor (base/cpu.h); NULL: it gains nothing there. Any thread. */
cafi_pointwise_kernel *cafi_pointwise_get(void);

/* Floats of packed weights with all that belongs to them, and of what a run needs. */
size_t cafi_pointwise_size(const cafi_pointwise_args *args);
size_t cafi_pointwise_scratch(const cafi_pointwise_args *args);

/* Sets args->weights, products, scale, bias and slope for args->ins and outs, all in the memory
 * *owned, which the caller frees: weights [outs][ins], bias [outs] and slope [outs] (or NULL) as
 * the kernel reads them. ENOMEM. */
caface_status cafi_pointwise_pack(float **owned, cafi_pointwise_args *args, const float *weights,
                                  const float *bias, const float *slope, caface_error *err);

#if defined(__x86_64__)
cafi_pointwise_kernel cafi_pointwise_avx512;
#endif

#endif
