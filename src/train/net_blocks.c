#include <math.h>
#include <string.h>

#include "backward/linear.h"
#include "train/net_parts.h"

/* Which rows a block works on.
 *
 * `shared`: memory runs are still equal to their twins and have no rows of
 * their own; `last`: the block's output is wanted for tokens alone. */
static net_range rows_of(const cafi_net *t, bool last, bool shared)
{
    size_t first = last ? t->tokens : shared ? t->others * t->config.dims.M : 0;
    size_t end = shared ? t->spare : t->rows;

    return (net_range){first, end - first};
}

/* The attention branch of block l, and its MLP, run on shared rows. */
static bool attention_shared(const cafi_net *t, size_t l)
{
    return t->twins && l <= t->fork;
}

static bool mlp_shared(const cafi_net *t, size_t l)
{
    return t->twins && l < t->fork;
}

static size_t run_count(const cafi_net *t, bool shared)
{
    return shared ? t->plain : t->plain + t->others;
}

static float keep_of(const cafi_net *t, size_t l, size_t side, size_t run)
{
    return t->keep[(2 * l + side) * (t->plain + t->others) + run];
}

/* to[i] = x[i] + f * y[i] */
static void add_scaled(float *to, const float *x, const float *y, float f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = x[i] + f * y[i];
}

/* A run's rows in x: its tokens, then (unless last) its centres. */
static void each_part(const net_run *run, size_t M, bool last, net_range part[2])
{
    part[0] = (net_range){run->token, run->n};
    part[1] = (net_range){run->centre, last ? 0 : M};
}

/* to = x + keep * branch for every run; a memory run that has just left its twin
 * starts from the twin's rows. */
static void residual_fwd(const cafi_net *t, float *to, const float *x, size_t l, size_t side,
                         bool from_shared, bool to_shared)
{
    size_t D = t->config.dims.D;
    bool last = l + 1 == t->config.dims.L;

    for (size_t s = 0; s < run_count(t, to_shared); s++) {
        const net_run *run = &t->runs[s];
        const net_run *source = s >= t->plain && from_shared ? &t->runs[run->twin] : run;
        net_range part[2];
        net_range from[2];

        each_part(run, t->config.dims.M, last, part);
        each_part(source, t->config.dims.M, last, from);
        for (size_t i = 0; i < 2; i++)
            add_scaled(to + part[i].first * D, x + from[i].first * D, t->branch + from[i].first * D,
                       keep_of(t, l, side, s), part[i].count * D);
    }
}

/* branch = keep * dx, and where memory runs have just left their twins, their
 * gradients join the twins'. */
static void residual_bwd(const cafi_net *t, size_t l, size_t side, bool from_shared, bool to_shared)
{
    size_t D = t->config.dims.D;
    bool last = l + 1 == t->config.dims.L;

    for (size_t s = 0; s < run_count(t, to_shared); s++) {
        const net_run *run = &t->runs[s];
        bool joins = s >= t->plain && from_shared;
        const net_run *source = joins ? &t->runs[run->twin] : run;
        float f = keep_of(t, l, side, s);
        net_range part[2];
        net_range from[2];

        each_part(run, t->config.dims.M, last, part);
        each_part(source, t->config.dims.M, last, from);
        for (size_t i = 0; i < 2; i++) {
            const float *d = t->dx + part[i].first * D;
            float *branch = t->branch + from[i].first * D;
            float *dx = t->dx + from[i].first * D;
            size_t n = part[i].count * D;

            for (size_t k = 0; k < n; k++)
                branch[k] = joins ? branch[k] + f * d[k] : f * d[k];
            for (size_t k = 0; joins && k < n; k++)
                dx[k] += d[k];
        }
    }
}

/* Copies a run's rows of x (width floats, stride wide) side by side into
 * packed, tokens first, or back. */
static void pack_run(const cafi_net *t, const net_run *run, float *packed, const float *x, size_t W)
{
    memcpy(packed, x + run->token * W, run->n * W * sizeof *x);
    memcpy(packed + run->n * W, x + run->centre * W, t->config.dims.M * W * sizeof *x);
}

static void unpack_run(const net_run *run, float *x, const float *packed, size_t W, size_t centres)
{
    memcpy(x + run->token * W, packed, run->n * W * sizeof *x);
    memcpy(x + run->centre * W, packed + run->n * W, centres * W * sizeof *x);
}

static cafi_attention attention_of(const cafi_net *t, const net_run *run, bool last)
{
    const cafi_train_dims *d = &t->config.dims;
    size_t D = d->D;

    return (cafi_attention){.out = t->out,
                            .ldo = D,
                            .q = t->packed,
                            .k = t->packed + D,
                            .v = t->packed + 2 * D,
                            .ldq = 3 * D,
                            .ldk = 3 * D,
                            .ldv = 3 * D,
                            .Q = last ? run->n : run->n + d->M,
                            .N = run->n + d->M,
                            .H = d->H,
                            .d = D / d->H,
                            .scale = 1.0f / sqrtf((float)(D / d->H)),
                            .scratch = t->attention_scratch};
}

/* norm1 and qkv. Centres enter block 0 alike in every run: one product over M
 * rows, then copies. The last block needs no queries of centres. */
static void qkv_fwd(cafi_net *t, const cafi_block_weights *w, size_t l)
{
    const cafi_train_dims *d = &t->config.dims;
    net_block *b = &t->block[l];
    size_t D = d->D;
    net_range all = rows_of(t, false, attention_shared(t, l));
    size_t centres = l == 0 ? d->M : t->tokens - all.first;
    size_t tokens = all.first + all.count - t->tokens;
    size_t skip = l + 1 == d->L ? D : 0;
    float *to = b->qkv + all.first * 3 * D;

    t->k->layernorm_save(b->norm1 + all.first * D, b->stats1 + all.first * 2, b->x + all.first * D,
                         w->norm1.w, w->norm1.b, centres, D);
    t->k->layernorm_save(b->norm1 + t->tokens * D, b->stats1 + t->tokens * 2, b->x + t->tokens * D,
                         w->norm1.w, w->norm1.b, tokens, D);
    cafi_linear_strided_fwd(to + skip, 3 * D, b->norm1 + all.first * D, w->qkv.w + skip * D,
                            w->qkv.b + skip, centres, D, 3 * D - skip);
    cafi_linear_fwd(b->qkv + t->tokens * 3 * D, b->norm1 + t->tokens * D, w->qkv.w, w->qkv.b,
                    tokens, D, 3 * D);
    if (l == 0)
        for (size_t r = all.first + d->M; r < t->tokens; r += d->M)
            memcpy(b->qkv + r * 3 * D, to, d->M * 3 * D * sizeof *to);
}

static void block_fwd(cafi_net *t, const cafi_block_weights *w, size_t l)
{
    const cafi_train_dims *d = &t->config.dims;
    net_block *b = &t->block[l];
    size_t D = d->D;
    bool last = l + 1 == d->L;
    net_range rows = rows_of(t, last, attention_shared(t, l));
    float *next = last ? t->last : t->block[l + 1].x;

    qkv_fwd(t, w, l);
    for (size_t s = 0; s < run_count(t, attention_shared(t, l)); s++) {
        cafi_attention a = attention_of(t, &t->runs[s], last);

        pack_run(t, &t->runs[s], t->packed, b->qkv, 3 * D);
        t->k->attention(&a);
        unpack_run(&t->runs[s], b->att, t->out, D, last ? 0 : d->M);
    }
    cafi_linear_fwd(t->branch + rows.first * D, b->att + rows.first * D, w->proj.w, w->proj.b,
                    rows.count, D, D);
    residual_fwd(t, b->mid, b->x, l, 0, attention_shared(t, l), mlp_shared(t, l));
    rows = rows_of(t, last, mlp_shared(t, l));
    t->k->layernorm_save(b->norm2 + rows.first * D, b->stats2 + rows.first * 2,
                         b->mid + rows.first * D, w->norm2.w, w->norm2.b, rows.count, D);
    cafi_linear_fwd(b->slope + rows.first * 4 * D, b->norm2 + rows.first * D, w->fc1.w, w->fc1.b,
                    rows.count, D, 4 * D);
    t->back->gelu_save(b->act + rows.first * 4 * D, b->slope + rows.first * 4 * D,
                       b->slope + rows.first * 4 * D, rows.count * 4 * D);
    cafi_linear_fwd(t->branch + rows.first * D, b->act + rows.first * 4 * D, w->fc2.w, w->fc2.b,
                    rows.count, 4 * D, D);
    residual_fwd(t, next, b->mid, l, 1, false, mlp_shared(t, l));
}

static unsigned char norm_index(float norm, cafi_norm_stats stats)
{
    float z = (norm - stats.mean) * stats.scale;

    z = fminf(fmaxf(z, -3.0f), 3.0f) * 10.0f;
    return (unsigned char)((int)z + 30);
}

/* Tokens of all runs that have rows of their own, and the centres. */
static void embed(cafi_net *t, const cafi_weights *w, const cafi_net_batch *batch)
{
    const cafi_train_dims *d = &t->config.dims;
    size_t rows = cafi_net_rows(&t->config);
    float *x = t->block[0].x;

    for (size_t s = 0; s < t->plain + t->others; s++) {
        const net_run *run = &t->runs[s];
        size_t row = run->sample * rows + run->first;

        if (s >= t->plain && attention_shared(t, 0))
            break;
        memcpy(x + run->centre * d->D, w->centres, d->M * d->D * sizeof *x);
        for (size_t i = 0; i < run->n; i++) {
            float *to = x + (run->token + i) * d->D;
            unsigned char index = norm_index(batch->norms[row + i], batch->stats[run->call]);

            t->index[run->token - t->tokens + i] = index;
            memcpy(to, batch->compact + (row + i) * d->E, d->E * sizeof *to);
            for (size_t k = 0; k < d->P; k++)
                to[d->E + k] = *w->norm_scale * batch->pe[index * d->P + k];
        }
    }
}

void net_blocks_fwd(cafi_net *t, const cafi_weights *w, const cafi_net_batch *batch)
{
    const cafi_train_dims *d = &t->config.dims;

    embed(t, w, batch);
    for (size_t l = 0; l < d->L; l++)
        block_fwd(t, &w->block[l], l);
    for (size_t s = t->plain; s < t->plain + t->others && mlp_shared(t, d->L - 1); s++)
        memcpy(t->last + t->runs[s].token * d->D, t->last + t->runs[t->runs[s].twin].token * d->D,
               t->runs[s].n * d->D * sizeof *t->last);
}

static void zero(float *p, size_t n)
{
    memset(p, 0, n * sizeof *p);
}

/* Sums what the runs of block 0 give to one of their M centre rows (W floats
 * each) into the first run's. */
static void gather_centres(const cafi_net *t, float *x, size_t first, size_t W)
{
    size_t n = t->config.dims.M * W;
    float *sum = x + first * W;

    for (size_t r = first + t->config.dims.M; r < t->tokens; r += t->config.dims.M)
        for (size_t i = 0; i < n; i++)
            sum[i] += x[r * W + i];
}

static void mlp_bwd(cafi_net *t, const cafi_block_weights *w, const cafi_block_weights *g, size_t l)
{
    net_block *b = &t->block[l];
    size_t D = t->config.dims.D;
    net_range rows = rows_of(t, l + 1 == t->config.dims.L, mlp_shared(t, l));
    float *dact = t->dact + rows.first * 4 * D;
    float *dnorm = t->dnorm + rows.first * D;

    residual_bwd(t, l, 1, false, mlp_shared(t, l));
    zero(dact, rows.count * 4 * D);
    cafi_linear_bwd(dact, g->fc2.w, g->fc2.b, t->branch + rows.first * D,
                    b->act + rows.first * 4 * D, w->fc2.w, rows.count, 4 * D, D);
    t->back->gelu_bwd(dact, dact, b->slope + rows.first * 4 * D, rows.count * 4 * D);
    zero(dnorm, rows.count * D);
    cafi_linear_bwd(dnorm, g->fc1.w, g->fc1.b, dact, b->norm2 + rows.first * D, w->fc1.w,
                    rows.count, D, 4 * D);
    t->back->layernorm_bwd(t->dx + rows.first * D, g->norm2.w, g->norm2.b, dnorm,
                           b->mid + rows.first * D, b->stats2 + rows.first * 2, w->norm2.w,
                           rows.count, D);
}

/* From dqkv to dx. */
static void qkv_bwd(cafi_net *t, const cafi_block_weights *w, const cafi_block_weights *g, size_t l)
{
    const cafi_train_dims *d = &t->config.dims;
    net_block *b = &t->block[l];
    size_t D = d->D;
    net_range all = rows_of(t, false, attention_shared(t, l));
    size_t centres = l == 0 ? d->M : t->tokens - all.first;
    size_t tokens = all.first + all.count - t->tokens;
    size_t skip = l + 1 == d->L ? D : 0;

    if (l == 0) {
        gather_centres(t, t->dqkv, all.first, 3 * D);
        gather_centres(t, t->dx, all.first, D);
    }
    zero(t->dnorm + all.first * D, all.count * D);
    cafi_linear_strided_bwd(t->dnorm + all.first * D, g->qkv.w + skip * D, g->qkv.b + skip,
                            t->dqkv + all.first * 3 * D + skip, 3 * D, b->norm1 + all.first * D,
                            w->qkv.w + skip * D, centres, D, 3 * D - skip);
    cafi_linear_bwd(t->dnorm + t->tokens * D, g->qkv.w, g->qkv.b, t->dqkv + t->tokens * 3 * D,
                    b->norm1 + t->tokens * D, w->qkv.w, tokens, D, 3 * D);
    t->back->layernorm_bwd(t->dx + all.first * D, g->norm1.w, g->norm1.b, t->dnorm + all.first * D,
                           b->x + all.first * D, b->stats1 + all.first * 2, w->norm1.w, centres, D);
    t->back->layernorm_bwd(t->dx + t->tokens * D, g->norm1.w, g->norm1.b, t->dnorm + t->tokens * D,
                           b->x + t->tokens * D, b->stats1 + t->tokens * 2, w->norm1.w, tokens, D);
}

static void attention_bwd(cafi_net *t, const cafi_block_weights *w, const cafi_block_weights *g,
                          size_t l)
{
    const cafi_train_dims *d = &t->config.dims;
    net_block *b = &t->block[l];
    size_t D = d->D;
    bool last = l + 1 == d->L;
    net_range rows = rows_of(t, last, attention_shared(t, l));
    float *datt = t->dnorm;

    residual_bwd(t, l, 0, attention_shared(t, l), mlp_shared(t, l));
    if (last) {
        net_range all = rows_of(t, false, attention_shared(t, l));
        zero(t->dx + all.first * D, (t->tokens - all.first) * D);
    }
    zero(datt + rows.first * D, rows.count * D);
    cafi_linear_bwd(datt + rows.first * D, g->proj.w, g->proj.b, t->branch + rows.first * D,
                    b->att + rows.first * D, w->proj.w, rows.count, D, D);
    for (size_t s = 0; s < run_count(t, attention_shared(t, l)); s++) {
        const net_run *run = &t->runs[s];
        cafi_attention a = attention_of(t, run, last);
        cafi_attention_grad grad = {.a = &a,
                                    .dout = t->out,
                                    .lddout = D,
                                    .dq = t->dpacked,
                                    .dk = t->dpacked + D,
                                    .dv = t->dpacked + 2 * D};

        pack_run(t, run, t->packed, b->qkv, 3 * D);
        pack_run(t, run, t->out, datt, D);
        zero(t->dpacked, a.N * 3 * D);
        t->back->attention_bwd(&grad);
        unpack_run(run, t->dqkv, t->dpacked, 3 * D, d->M);
    }
    qkv_bwd(t, w, g, l);
}

/* From dx of block 0's input to dcompact, the norm scale and the centres. */
static void embed_bwd(cafi_net *t, const cafi_weights *g, const cafi_net_batch *batch)
{
    const cafi_train_dims *d = &t->config.dims;
    size_t rows = cafi_net_rows(&t->config);
    net_range all = rows_of(t, false, attention_shared(t, 0));
    double scale = 0.0;

    zero(batch->dcompact, t->n * rows * d->E);
    for (size_t s = 0; s < run_count(t, attention_shared(t, 0)); s++) {
        const net_run *run = &t->runs[s];

        for (size_t i = 0; i < run->n; i++) {
            const float *dx = t->dx + (run->token + i) * d->D;
            const float *pe = batch->pe + t->index[run->token - t->tokens + i] * d->P;
            float *to = batch->dcompact + (run->sample * rows + run->first + i) * d->E;
            float dot = 0.0f;

            for (size_t k = 0; k < d->E; k++)
                to[k] += dx[k];
            for (size_t k = 0; k < d->P; k++)
                dot += dx[d->E + k] * pe[k];
            scale += (double)dot;
        }
    }
    *g->norm_scale += (float)scale;
    for (size_t i = 0; i < d->M * d->D; i++)
        g->centres[i] += t->dx[all.first * d->D + i];
}

void net_blocks_bwd(cafi_net *t, const cafi_weights *w, const cafi_weights *g,
                    const cafi_net_batch *batch)
{
    const cafi_train_dims *d = &t->config.dims;

    for (size_t s = t->plain; s < t->plain + t->others && mlp_shared(t, d->L - 1); s++) {
        const net_run *twin = &t->runs[t->runs[s].twin];

        for (size_t i = 0; i < twin->n * d->D; i++)
            t->dx[twin->token * d->D + i] += t->dx[t->runs[s].token * d->D + i];
    }
    for (size_t l = d->L; l-- > 0;) {
        mlp_bwd(t, &w->block[l], &g->block[l], l);
        attention_bwd(t, &w->block[l], &g->block[l], l);
    }
    embed_bwd(t, g, batch);
}
