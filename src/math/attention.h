/* Multi-head attention inside a chunk, fused: scores never leave the cache. */
#ifndef CAFI_MATH_ATTENTION_H
#define CAFI_MATH_ATTENTION_H

#include <stddef.h>

/* One call: Q queries attend to N keys in each of H heads of width d. Query r
 * of head h starts at q + r * ldq + h * d; keys, values and out alike. */
typedef struct cafi_attention {
    float *out;
    size_t ldo;
    const float *q, *k, *v;
    size_t ldq, ldk, ldv;
    size_t Q, N, H, d;
    float scale;    /* of the scores: d^-1/2 */
    float *scratch; /* cafi_attention_scratch floats, aligned to 64 bytes */
} cafi_attention;

/* Floats of scratch for N keys of width d. */
size_t cafi_attention_scratch(size_t N, size_t d);

/* out[r][h] = sum_n softmax_n(scale * q[r][h] . k[n][h]) * v[n][h]. The
 * definition of cafi_kernels.attention. N == 0 gives zeros. A query's result
 * does not depend on Q. No overlap of out with q, k or v. */
void cafi_attention_plain(const cafi_attention *a);

#endif
