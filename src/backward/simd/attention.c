#include <string.h>

#include "backward/simd/names.h"
#include "math/simd/vector.h"

#define LOG2_E 1.44269504f

static size_t whole_vectors(size_t n)
{
    return (n + VF - 1) / VF * VF;
}

/* One head of the backward, repacked: keys and values transposed to [d][columns] for the
 * products over d, and as rows [N][width] for the products over n, beside the gradients'
 * rows. */
typedef struct head_bwd {
    const cafi_attention_grad *g;
    float *keys, *values;              /* [d][columns] */
    float *key_rows, *dkeys, *dvalues; /* [N][width] */
    float *p, *dp;                     /* [columns] */
    size_t columns, width, offset;
} head_bwd;

static head_bwd repack_bwd(const cafi_attention_grad *g, size_t h)
{
    const cafi_attention *a = g->a;
    head_bwd t = {
        .g = g, .columns = whole_vectors(a->N), .width = whole_vectors(a->d), .offset = h * a->d};

    t.keys = a->scratch;
    t.values = t.keys + t.columns * a->d;
    t.p = t.values + t.columns * a->d;
    t.dp = t.p + t.columns;
    t.key_rows = t.dp + t.columns;
    t.dkeys = t.key_rows + a->N * t.width;
    t.dvalues = t.dkeys + a->N * t.width;
    memset(t.keys, 0, 2 * t.columns * a->d * sizeof(float));
    memset(t.dkeys, 0, 2 * a->N * t.width * sizeof(float));
    for (size_t n = 0; n < a->N; n++) {
        const float *k = a->k + n * a->ldk + t.offset;
        const float *v = a->v + n * a->ldv + t.offset;

        for (size_t i = 0; i < a->d; i++) {
            t.keys[i * t.columns + n] = k[i] * a->scale;
            t.values[i * t.columns + n] = v[i];
        }
        for (size_t i = 0; i < a->d; i += VF)
            vf_store(t.key_rows + n * t.width + i, vf_load_n(k + i, a->d - i));
    }
    return t;
}

/* p = softmax of the query's scores, dp = p * (dout . v - its mean under p) * scale. */
static void query_scores(const head_bwd *t, const float *q, const float *dout)
{
    size_t N = t->g->a->N;
    size_t d = t->g->a->d;
    vf top = vf_all(-3.4e38f);
    vf sum = vf_zero();
    vf along = vf_zero();
    vf share;

    for (size_t n = 0; n < N; n += VF) {
        vf s = vf_zero();
        vf dp = vf_zero();

        for (size_t i = 0; i < d; i++) {
            s = vf_fma(vf_all(q[i]), vf_load(t->keys + i * t->columns + n), s);
            dp = vf_fma(vf_all(dout[i]), vf_load(t->values + i * t->columns + n), dp);
        }
        top = vf_max(top, vf_keep_n(s, -3.4e38f, N - n));
        vf_store(t->p + n, s);
        vf_store(t->dp + n, dp);
    }
    top = vf_all(vf_top(top));
    for (size_t n = 0; n < N; n += VF) {
        vf e = vf_exp2(vf_mul(vf_sub(vf_load(t->p + n), top), vf_all(LOG2_E)));

        e = vf_keep_n(e, 0.0f, N - n);
        sum = vf_add(sum, e);
        along = vf_fma(e, vf_load(t->dp + n), along);
        vf_store(t->p + n, e);
    }
    share = vf_all(1.0f / vf_sum(sum));
    along = vf_mul(vf_all(vf_sum(along)), share);
    for (size_t n = 0; n < N; n += VF) {
        vf p = vf_mul(vf_load(t->p + n), share);
        vf ds = vf_mul(p, vf_sub(vf_load(t->dp + n), along));

        vf_store(t->p + n, p);
        vf_store(t->dp + n, vf_mul(ds, vf_all(t->g->a->scale)));
    }
}

/* Adds what query r gives to dq, and to the head's dkeys and dvalues. */
static void query_bwd(const head_bwd *t, size_t r)
{
    const cafi_attention *a = t->g->a;
    const float *q = a->q + r * a->ldq + t->offset;
    const float *dout = t->g->dout + r * t->g->lddout + t->offset;
    float *dq = t->g->dq + r * a->ldq + t->offset;

    query_scores(t, q, dout);
    for (size_t i = 0; i < a->d; i += VF) {
        vf qi = vf_load_n(q + i, a->d - i);
        vf di = vf_load_n(dout + i, a->d - i);
        vf sum = vf_load_n(dq + i, a->d - i);

        for (size_t n = 0; n < a->N; n++) {
            vf ds = vf_all(t->dp[n]);
            float *dk = t->dkeys + n * t->width + i;
            float *dv = t->dvalues + n * t->width + i;

            sum = vf_fma(ds, vf_load(t->key_rows + n * t->width + i), sum);
            vf_store(dk, vf_fma(ds, qi, vf_load(dk)));
            vf_store(dv, vf_fma(vf_all(t->p[n]), di, vf_load(dv)));
        }
        vf_store_n(dq + i, sum, a->d - i);
    }
}

void cafi_simd_attention_bwd(const cafi_attention_grad *g)
{
    const cafi_attention *a = g->a;

    for (size_t h = 0; h < a->H && a->N; h++) {
        head_bwd t = repack_bwd(g, h);

        for (size_t r = 0; r < a->Q; r++)
            query_bwd(&t, r);
        for (size_t n = 0; n < a->N; n++)
            for (size_t i = 0; i < a->d; i++) {
                g->dk[n * a->ldk + t.offset + i] += t.dkeys[n * t.width + i];
                g->dv[n * a->ldv + t.offset + i] += t.dvalues[n * t.width + i];
            }
    }
}
