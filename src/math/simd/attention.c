#include <math.h>
#include <string.h>

#include "math/simd/names.h"
#include "math/simd/vector.h"

/* For each head: keys are transposed to [d][N], values copied to [N][d], both
 * padded to whole vectors; then, for blocks of queries, scores = q K^T into the
 * scratch, softmax without its division, and out = scores V / sum. A query's
 * additions run over d and n in ascending order whatever block it is in. */

#define QUERIES 8
#define LOG2_E 1.44269504f

/* One head, repacked. */
typedef struct head {
    const cafi_attention *a;
    const float *keys;   /* [d][columns] */
    const float *values; /* [N][width] */
    float *scores;       /* [QUERIES][columns] */
    size_t columns;      /* N, padded to vectors */
    size_t width;        /* d, padded to vectors */
    size_t offset;       /* of the head in a row */
} head;

static size_t whole_vectors(size_t n)
{
    return (n + VF - 1) / VF * VF;
}

static head repack(const cafi_attention *a, size_t h)
{
    head t = {
        .a = a, .columns = whole_vectors(a->N), .width = whole_vectors(a->d), .offset = h * a->d};
    float *keys = a->scratch;
    float *values = keys + t.columns * a->d;
    float factor = a->scale * LOG2_E;

    for (size_t i = 0; i < a->d; i++) /* the padding: what is in front of it follows */
        vf_store(keys + (i + 1) * t.columns - VF, vf_zero());
    for (size_t n = 0; n < a->N; n++) {
        const float *k = a->k + n * a->ldk + t.offset;
        const float *v = a->v + n * a->ldv + t.offset;

        for (size_t i = 0; i < a->d; i++)
            keys[i * t.columns + n] = k[i] * factor;
        for (size_t i = 0; i < a->d; i += VF)
            vf_store(values + n * t.width + i, vf_load_n(v + i, a->d - i));
    }
    t.keys = keys;
    t.values = values;
    t.scores = values + a->N * t.width;
    return t;
}

/* Scores of MQ queries against NV vectors of keys from n on. */
CAFI_INLINE void score_tile(const head *t, const size_t MQ, const size_t NV, const size_t d,
                            size_t r, size_t n)
{
    const float *q = t->a->q + r * t->a->ldq + t->offset;
    const float *keys = t->keys + n;
    vf acc[QUERIES][3];

    CAFI_UNROLL
    for (size_t i = 0; i < MQ; i++)
        CAFI_UNROLL
    for (size_t v = 0; v < NV; v++)
        acc[i][v] = vf_zero();
    for (size_t k = 0; k < d; k++, keys += t->columns) {
        vf column[3];

        CAFI_UNROLL
        for (size_t v = 0; v < NV; v++)
            column[v] = vf_load(keys + v * VF);
        CAFI_UNROLL
        for (size_t i = 0; i < MQ; i++) {
            vf x = vf_all(q[i * t->a->ldq + k]);
            CAFI_UNROLL
            for (size_t v = 0; v < NV; v++)
                acc[i][v] = vf_fma(x, column[v], acc[i][v]);
        }
    }
    CAFI_UNROLL
    for (size_t i = 0; i < MQ; i++)
        CAFI_UNROLL
    for (size_t v = 0; v < NV; v++)
        vf_store(t->scores + i * t->columns + n + v * VF, acc[i][v]);
}

/* Turns one row of scores into exponentials; returns 1 / their sum. */
CAFI_INLINE float exponentials(const head *t, float *score)
{
    size_t N = t->a->N;
    size_t last = t->columns - VF;
    vf high = vf_keep_n(vf_load(score + last), score[0], N - last);
    vf sum = vf_zero();
    vf top;

    for (size_t n = 0; n < last; n += VF)
        high = vf_max(high, vf_load(score + n));
    top = vf_all(vf_top(high));
    for (size_t n = 0; n < last; n += VF) {
        vf e = vf_exp2(vf_sub(vf_load(score + n), top));
        sum = vf_add(sum, e);
        vf_store(score + n, e);
    }
    high = vf_keep_n(vf_exp2(vf_sub(vf_load(score + last), top)), 0.0f, N - last);
    vf_store(score + last, high);
    return 1.0f / vf_sum(vf_add(sum, high));
}

/* out = scores V / sum for MQ queries, one vector of the width at a time. */
CAFI_INLINE void mix_values(const head *t, const size_t MQ, size_t r, const float *inverse)
{
    const cafi_attention *a = t->a;

    for (size_t c = 0; c < t->width; c += VF) {
        const float *value = t->values + c;
        vf acc[QUERIES];

        CAFI_UNROLL
        for (size_t i = 0; i < MQ; i++)
            acc[i] = vf_zero();
        for (size_t n = 0; n < a->N; n++, value += t->width) {
            vf x = vf_load(value);
            CAFI_UNROLL
            for (size_t i = 0; i < MQ; i++)
                acc[i] = vf_fma(vf_all(t->scores[i * t->columns + n]), x, acc[i]);
        }
        CAFI_UNROLL
        for (size_t i = 0; i < MQ; i++)
            vf_store_n(a->out + (r + i) * a->ldo + t->offset + c,
                       vf_mul(acc[i], vf_all(inverse[i])), a->d - c);
    }
}

CAFI_INLINE void queries(const head *t, const size_t MQ, const size_t d, size_t r)
{
    const size_t NV = VF == 16 || MQ == 1 ? 3 : 1;
    float inverse[QUERIES];
    size_t n = 0;

    for (; n + NV * VF <= t->columns; n += NV * VF)
        score_tile(t, MQ, NV, d, r, n);
    for (; n < t->columns; n += VF)
        score_tile(t, MQ, 1, d, r, n);
    for (size_t i = 0; i < MQ; i++)
        inverse[i] = exponentials(t, t->scores + i * t->columns);
    mix_values(t, MQ, r, inverse);
}

CAFI_INLINE void all_queries(const head *t, const size_t d)
{
    size_t r = 0;

    for (; r + QUERIES <= t->a->Q; r += QUERIES)
        queries(t, QUERIES, d, r);
    for (; r + QUERIES / 2 <= t->a->Q; r += QUERIES / 2)
        queries(t, QUERIES / 2, d, r);
    for (; r < t->a->Q; r++)
        queries(t, 1, d, r);
}

/* Head width 16 is every known model; a constant lets the loops unroll. */
static void all_queries_16(const head *t)
{
    all_queries(t, 16);
}

static void all_queries_any(const head *t)
{
    all_queries(t, t->a->d);
}

void cafi_simd_attention(const cafi_attention *a)
{
    for (size_t h = 0; h < a->H && a->N; h++) {
        head t = repack(a, h);

        if (a->d == 16)
            all_queries_16(&t);
        else
            all_queries_any(&t);
    }
    for (size_t r = 0; r < a->Q && !a->N; r++)
        memset(a->out + r * a->ldo, 0, a->H * a->d * sizeof *a->out);
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
