#include "backward/attention.h"

#include "math/rows.h"

size_t cafi_attention_bwd_scratch(size_t N, size_t d)
{
    size_t columns = (N + 15) / 16 * 16;

    return columns * (2 * d + 2) + N * 4 * ((d + 15) / 16 * 16);
}

/* Query r of one head; p and dp hold N floats each. */
static void query_bwd(const cafi_attention_grad *g, size_t r, size_t at, float *p, float *dp)
{
    const cafi_attention *a = g->a;
    const float *q = a->q + r * a->ldq + at;
    const float *dout = g->dout + r * g->lddout + at;
    float *dq = g->dq + r * a->ldq + at;
    float along = 0.0f;

    for (size_t n = 0; n < a->N; n++) {
        p[n] = 0.0f;
        dp[n] = 0.0f;
        for (size_t i = 0; i < a->d; i++) {
            p[n] += q[i] * a->k[n * a->ldk + at + i];
            dp[n] += dout[i] * a->v[n * a->ldv + at + i];
        }
        p[n] *= a->scale;
    }
    cafi_softmax_plain(p, p, 1, a->N);
    for (size_t n = 0; n < a->N; n++)
        along += p[n] * dp[n];
    for (size_t n = 0; n < a->N; n++) {
        float ds = p[n] * (dp[n] - along) * a->scale;

        for (size_t i = 0; i < a->d; i++) {
            dq[i] += ds * a->k[n * a->ldk + at + i];
            g->dk[n * a->ldk + at + i] += ds * q[i];
            g->dv[n * a->ldv + at + i] += p[n] * dout[i];
        }
    }
}

void cafi_attention_bwd_plain(const cafi_attention_grad *g)
{
    float *p = g->a->scratch;

    for (size_t h = 0; h < g->a->H; h++)
        for (size_t r = 0; r < g->a->Q; r++)
            query_bwd(g, r, h * g->a->d, p, p + g->a->N);
}
