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
