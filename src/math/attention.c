#include "math/attention.h"

#include <string.h>

#include "math/rows.h"

/* Room for every version: keys and values of one head, repacked and padded to
 * whole vectors, and the scores of a block of queries. */
#define QUERY_BLOCK 12
#define PADDING 64

size_t cafi_attention_scratch(size_t N, size_t d)
{
    return (N + PADDING) * (2 * (d + 16) + QUERY_BLOCK);
}

void cafi_attention_plain(const cafi_attention *a)
{
    float *score = a->scratch;

    for (size_t h = 0; h < a->H; h++)
        for (size_t r = 0; r < a->Q; r++) {
            const float *q = a->q + r * a->ldq + h * a->d;
            float *out = a->out + r * a->ldo + h * a->d;

            for (size_t n = 0; n < a->N; n++) {
                const float *k = a->k + n * a->ldk + h * a->d;
                float dot = 0.0f;

                for (size_t i = 0; i < a->d; i++)
                    dot += q[i] * k[i];
                score[n] = dot * a->scale;
            }
            cafi_softmax_plain(score, score, 1, a->N);
            memset(out, 0, a->d * sizeof *out);
            for (size_t n = 0; n < a->N; n++) {
                const float *v = a->v + n * a->ldv + h * a->d;

                for (size_t i = 0; i < a->d; i++)
                    out[i] += score[n] * v[i];
            }
        }
}
