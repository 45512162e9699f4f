#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "train/net_parts.h"

size_t cafi_net_calls(const cafi_net_config *config)
{
    return config->T + 3;
}

size_t cafi_net_call_rows(const cafi_net_config *config, size_t call, size_t *first)
{
    size_t T = config->T;

    if (call == T + 2) {
        *first = 0;
        return 2 * T;
    }
    *first = call % 2 ? T : 0; /* T is even, so the memory calls alternate alike */
    return call >= T ? T : 2 * (call / 2 + 1);
}

/* Rows of one sample: tokens of plain runs, and runs. */
static size_t plain_rows(size_t T)
{
    size_t pairs = T / 2;

    return 2 * pairs * (pairs + 1) + 2 * T;
}

/* Hands out pieces of one allocation; the first time base is NULL and only the
 * size is counted. */
typedef struct arena {
    float *base;
    size_t used;
} arena;

static void take(arena *a, float **to, size_t rows, size_t columns)
{
    size_t n = (rows * columns + 15) / 16 * 16;

    if (a->base)
        *to = a->base + a->used;
    a->used += n;
}

static void take_blocks(arena *a, cafi_net *t, size_t rows)
{
    size_t D = t->config.dims.D;

    for (size_t l = 0; l < t->config.dims.L; l++) {
        net_block *b = &t->block[l];

        take(a, &b->x, rows, D);
        take(a, &b->norm1, rows, D);
        take(a, &b->stats1, rows, 2);
        take(a, &b->qkv, rows, 3 * D);
        take(a, &b->att, rows, D);
        take(a, &b->mid, rows, D);
        take(a, &b->norm2, rows, D);
        take(a, &b->stats2, rows, 2);
        take(a, &b->act, rows, 4 * D);
        take(a, &b->slope, rows, 4 * D);
    }
    take(a, &t->last, rows, D);
    take(a, &t->branch, rows, D);
    take(a, &t->dx, rows, D);
    take(a, &t->dact, rows, 4 * D);
    take(a, &t->dnorm, rows, D);
    take(a, &t->dqkv, rows, 3 * D);
}

static void take_assign(arena *a, cafi_net *t, size_t rows, size_t runs)
{
    const cafi_train_dims *d = &t->config.dims;
    size_t set = 2 * t->config.T + d->M;
    size_t others = 2 * t->capacity;

    take(a, &t->packed, set, 3 * d->D);
    take(a, &t->dpacked, set, 3 * d->D);
    take(a, &t->out, set, d->D);
    take(a, &t->attention_scratch, 1,
         cafi_attention_bwd_scratch(set, d->D / d->H) + cafi_attention_scratch(set, d->D / d->H));
    take(a, &t->keep, 2 * d->L, runs);
    take(a, &t->values, t->capacity * 2 * t->config.T, d->C);
    take(a, &t->xhat, rows, d->D);
    take(a, &t->dxhat, rows, d->D);
    take(a, &t->xstats, rows, 2);
    take(a, &t->chat, d->M, d->D);
    take(a, &t->cstats, d->M, 2);
    take(a, &t->query, d->M, d->D);
    take(a, &t->guide, d->M, d->D);
    take(a, &t->bias, d->M, 1);
    take(a, &t->assign, rows, d->M);
    take(a, &t->share, rows, d->M);
    take(a, &t->dassign, rows, d->M);
    take(a, &t->mass, runs, d->M);
    take(a, &t->dmass, runs, d->M);
    take(a, &t->mu_memory, others * d->M, d->C);
    take(a, &t->dmu_memory, others * d->M, d->C);
    take(a, &t->s_memory, others * d->M, d->D);
    take(a, &t->ds_memory, others * d->M, d->D);
    take(a, &t->small, 4 * d->M, d->D);
}

static void take_agn(arena *a, cafi_net *t, size_t templates)
{
    const cafi_train_dims *d = &t->config.dims;
    size_t rows = d->M * templates;
    size_t W = 2 * d->D;

    for (size_t l = 0; l < d->L; l++) {
        net_mixer *m = &t->mixer[l];

        take(a, &m->x, rows, W);
        take(a, &m->norm1, rows, W);
        take(a, &m->stats1, rows, 2);
        take(a, &m->act_t, 2 * rows, W);
        take(a, &m->slope_t, 2 * rows, W);
        take(a, &m->mid, rows, W);
        take(a, &m->norm2, rows, W);
        take(a, &m->stats2, rows, 2);
        take(a, &m->act_c, rows, d->D);
        take(a, &m->slope_c, rows, d->D);
    }
    take(a, &t->agn, rows, W);
    take(a, &t->act_out, rows, W);
    take(a, &t->slope_out, rows, W);
    take(a, &t->dagn, rows, W);
    take(a, &t->dagn_act, rows, W);
    take(a, &t->dagn_norm, rows, W);
    take(a, &t->dtoken, 2 * rows, W);
    take(a, &t->weight, rows, d->K);
    take(a, &t->dweight, rows, d->K);
    take(a, &t->mu, rows, d->C);
    take(a, &t->dmu, rows, d->C);
    take(a, &t->aggregate, templates, d->C);
    take(a, &t->daggregate, templates, d->C);
}

static void take_all(arena *a, cafi_net *t)
{
    size_t T = t->config.T;
    size_t runs = t->capacity * (T + 3);
    size_t rows = runs * t->config.dims.M + t->capacity * (plain_rows(T) + 2 * T);

    take_blocks(a, t, rows);
    take_assign(a, t, rows, runs);
    take_agn(a, t, t->capacity * (T + 2));
}

caface_status cafi_net_new(cafi_net **out, const cafi_net_config *config, size_t n,
                           caface_error *err)
{
    cafi_net *t = NULL;
    arena a = {0};
    caface_status st;
    size_t runs = n * (config->T + 3);

    *out = NULL;
    if (config->T < 2 || config->T > 64 || config->T % 2)
        return cafi_fail(err, CAFACE_EINVAL, "groups of %zu rows: must be an even number, 2 to 64",
                         config->T);
    st = CAFI_NEW(&t, 1, err);
    if (st)
        return st;
    t->config = *config;
    t->capacity = n;
    t->k = cafi_kernels_get();
    take_all(&a, t);
    st = cafi_alloc_f32(&t->memory, 1, a.used, err);
    if (!st)
        st = CAFI_NEW(&t->runs, runs, err);
    if (!st)
        st = cafi_alloc(&t->index, 1, n * (plain_rows(config->T) + 2 * config->T), err);
    if (st) {
        cafi_net_free(t);
        return st;
    }
    a = (arena){.base = t->memory};
    take_all(&a, t);
    *out = t;
    return CAFACE_OK;
}

void cafi_net_free(cafi_net *net)
{
    if (!net)
        return;
    free(net->memory);
    free(net->runs);
    free(net->index);
    free(net);
}

/* Drop rate of a block: 0 to config->drop, linearly. */
static double block_rate(const cafi_net *t, size_t l)
{
    size_t L = t->config.dims.L;

    return L > 1 ? t->config.drop * (double)l / (double)(L - 1) : 0.0;
}

static void draw_masks(cafi_net *t, const cafi_net_batch *batch)
{
    size_t L = t->config.dims.L;
    size_t runs = t->plain + t->others;

    t->fork = L;
    for (size_t l = L; l-- > 0;) {
        double rate = block_rate(t, l);

        if (rate > 0.0)
            t->fork = l;
        for (size_t s = 0; s < runs; s++) {
            const net_run *run = &t->runs[s];
            cafi_rng rng = cafi_rng_at(batch->seed, batch->step, batch->first + run->sample,
                                       run->call * L + l);

            for (size_t side = 0; side < 2; side++) {
                double u = cafi_rng_unit(&rng);

                t->keep[(2 * l + side) * runs + s] = u < rate ? 0.0f : (float)(1.0 / (1.0 - rate));
            }
        }
    }
}

void net_layout(cafi_net *t, const cafi_net_batch *batch)
{
    size_t T = t->config.T;
    size_t M = t->config.dims.M;
    size_t row;

    t->n = batch->n;
    t->plain = t->n * (T + 1);
    t->others = 2 * t->n;
    t->templates = t->plain + t->n;
    t->tokens = (t->plain + t->others) * M;
    row = t->tokens;
    for (size_t s = 0; s < t->plain + t->others; s++) {
        net_run *run = &t->runs[s];

        if (s < t->plain) {
            run->sample = s / (T + 1);
            run->call = s % (T + 1) < T ? s % (T + 1) : T + 2;
            run->centre = (t->others + s) * M;
        } else {
            run->sample = (s - t->plain) / 2;
            run->call = T + (s - t->plain) % 2;
            run->centre = (s - t->plain) * M;
            run->twin = run->sample * (T + 1) + T - 2 + (s - t->plain) % 2;
        }
        if (s == t->plain)
            t->spare = row;
        run->n = cafi_net_call_rows(&t->config, run->call, &run->first);
        run->token = row;
        row += run->n;
    }
    t->rows = row;
    draw_masks(t, batch);
}
