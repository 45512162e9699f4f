#include "fusion/cluster.h"

#include <math.h>
#include <string.h>

#define VALUE_EPS 1e-5f
#define NORM_CLIP 3.0f
#define NORM_STEPS 10.0f
#define NORM_CENTRE 30

void cafi_sim_fwd(const caface_model *model, cafi_scratch *scratch, const float *style, size_t n,
                  float *compact)
{
    size_t S = model->info.S, E = model->info.compact;

    for (size_t r = 0; r < n; r += scratch->strip) {
        size_t rows = n - r < scratch->strip ? n - r : scratch->strip;

        model->kernels->style_mix(scratch->hidden, style + r * S * 2, model->cfc, model->slope,
                                  rows, S);
        model->kernels->linear(compact + r * E, E, scratch->hidden, S, rows, &model->sim,
                               CAFI_STORE);
    }
}

/* Row of the table of norm embeddings for a face with |f| = norm. */
static size_t norm_index(const caface_model *model, float norm)
{
    float v = norm * model->norm_scale + model->norm_shift;

    /* NaN, which a norm beyond floats can become, ends at the lower end. */
    v = v > -NORM_CLIP ? v < NORM_CLIP ? v : NORM_CLIP : -NORM_CLIP;
    return (size_t)((int)(v * NORM_STEPS) + NORM_CENTRE);
}

void cafi_norm_embedding_fwd(const caface_model *model, const float *norms, size_t n, float *out,
                             size_t ld)
{
    size_t width = model->info.D - model->info.compact;

    for (size_t r = 0; r < n; r++)
        memcpy(out + r * ld, model->norm_embedding + norm_index(model, norms[r]) * width,
               width * sizeof *out);
}

/* Rows 0..n-1 are the tokens of the faces, the M rows behind them the centres. */
static void make_tokens(const caface_model *m, cafi_scratch *s, const float *feat, size_t C,
                        const float *compact, size_t n)
{
    size_t E = m->info.compact, D = m->info.D;

    for (size_t r = 0; r < n; r++)
        memcpy(s->x + r * D, compact + r * E, E * sizeof *s->x);
    m->kernels->norms(s->norms, feat, n, C);
    cafi_norm_embedding_fwd(m, s->norms, n, s->x + E, D);
    memcpy(s->x + n * D, m->centres, m->info.M * D * sizeof *s->x);
}

/* Queries, keys and values of the first block: model.h, cafi_first. */
static void project_first(const caface_model *m, cafi_scratch *s, size_t n)
{
    const cafi_cluster_block *b = m->blocks;
    size_t D = m->info.D, J = 3 * D;

    for (size_t r = 0; r < n; r += s->strip) {
        size_t rows = n - r < s->strip ? n - r : s->strip;

        m->kernels->layernorm_save(s->norm, s->stats, s->x + r * D, b->norm1_weight, b->norm1_bias,
                                   rows, D);
        for (size_t i = 0; i < rows; i++) {
            const float *table = m->first.norms + norm_index(m, s->norms[r + i]) * J;
            float mean = s->stats[2 * i], scale = s->stats[2 * i + 1];
            float *to = s->qkv + (r + i) * J;

            for (size_t j = 0; j < J; j++)
                to[j] = (table[j] - mean * m->first.ones[j]) * scale;
        }
        m->kernels->linear(s->qkv + r * J, J, s->norm, D, rows, &m->first.qkv, CAFI_ADD);
    }
    memcpy(s->qkv + n * J, m->first.centres, m->info.M * J * sizeof *s->qkv);
}

/* Of a later block: keys and values of every row, queries of the first `asked`. */
static void project(const caface_model *m, cafi_scratch *s, const cafi_cluster_block *b, size_t n,
                    size_t asked)
{
    size_t D = m->info.D;
    size_t all = n + m->info.M;

    for (size_t r = 0; r < all; r += s->strip) {
        size_t rows = all - r < s->strip ? all - r : s->strip;
        size_t asking = asked < r ? 0 : asked - r < rows ? asked - r : rows;
        float *qkv = s->qkv + r * 3 * D;

        m->kernels->layernorm(s->norm, s->x + r * D, b->norm1_weight, b->norm1_bias, rows, D);
        m->kernels->linear(qkv, 3 * D, s->norm, D, asking, &b->q, CAFI_STORE);
        m->kernels->linear(qkv + D, 3 * D, s->norm, D, rows, &b->kv, CAFI_STORE);
    }
}

/* x += proj(attention), x += mlp(LN(x)), strip by strip, for the first `asked`
 * of the n + M rows. */
static void attend(const caface_model *m, cafi_scratch *s, const cafi_cluster_block *b, size_t n,
                   size_t asked)
{
    size_t D = m->info.D, d = D / m->info.H;
    cafi_attention a = {.out = s->mixed,
                        .ldo = D,
                        .q = s->qkv,
                        .k = s->qkv + D,
                        .v = s->qkv + 2 * D,
                        .ldq = 3 * D,
                        .ldk = 3 * D,
                        .ldv = 3 * D,
                        .Q = asked,
                        .N = n + m->info.M,
                        .H = m->info.H,
                        .d = d,
                        .scale = 1.0f / sqrtf((float)d),
                        .scratch = s->attention};

    m->kernels->attention(&a);
    for (size_t r = 0; r < asked; r += s->strip) {
        size_t rows = asked - r < s->strip ? asked - r : s->strip;
        size_t hidden = b->fc1.J;
        float *x = s->x + r * D;

        m->kernels->linear(x, D, s->mixed + r * D, D, rows, &b->proj, CAFI_ADD);
        m->kernels->layernorm(s->norm, x, b->norm2_weight, b->norm2_bias, rows, D);
        m->kernels->linear(s->hidden, hidden, s->norm, D, rows, &b->fc1, CAFI_GELU);
        m->kernels->linear(x, D, s->hidden, hidden, rows, &b->fc2, CAFI_ADD);
    }
}

/* Masses and weighted means. With a mass below 1 the divisor is 1. */
static void collect(const caface_model *m, cafi_scratch *s, const float *feat, size_t n,
                    cafi_state *state)
{
    size_t M = m->info.M, D = m->info.D, C = state->C;

    cafi_state_clear(state);
    state->empty = false;
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < M; c++)
            state->mass[c] += (double)s->assign[r * M + c];
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < M; c++)
            s->weights[r * M + c] =
                (double)s->assign[r * M + c] / (state->mass[c] > 1.0 ? state->mass[c] : 1.0);
    m->kernels->weighted_sum(state->style, s->weights, s->mixed, D, n, M, D);
    for (size_t r = 0; r < n; r++) {
        double length = (double)s->norms[r] + (double)VALUE_EPS;

        for (size_t c = 0; c < M; c++)
            s->weights[r * M + c] /= length;
    }
    m->kernels->weighted_sum(state->mu, s->weights, feat, C, n, M, C);
}

void cafi_cluster_fwd(const caface_model *model, cafi_scratch *scratch, const float *feat,
                      const float *compact, size_t n, cafi_state *state)
{
    size_t D = model->info.D, M = model->info.M;

    make_tokens(model, scratch, feat, state->C, compact, n);
    for (size_t block = 0; block < model->info.L; block++) {
        const cafi_cluster_block *b = &model->blocks[block];
        /* The centre rows of the last block are read by nobody. */
        size_t asked = block + 1 == model->info.L ? n : n + M;

        if (block == 0)
            project_first(model, scratch, n);
        else
            project(model, scratch, b, n, asked);
        attend(model, scratch, b, n, asked);
    }
    model->kernels->layernorm(scratch->mixed, scratch->x, model->norm_x_weight, model->norm_x_bias,
                              n, D);
    model->kernels->linear(scratch->assign, M, scratch->mixed, D, n, &model->assign, CAFI_STORE);
    model->kernels->softmax(scratch->assign, scratch->assign, n, M);
    collect(model, scratch, feat, n, state);
}
