#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/status.h"
#include "train/net_parts.h"

bool cafi_net_has_memory(const cafi_net_config *config)
{
    return config->lambda_memory > 0.0 && !config->single;
}

size_t cafi_net_groups(const cafi_net_config *config)
{
    return config->single ? 1 : 2;
}

size_t cafi_net_rows(const cafi_net_config *config)
{
    return cafi_net_groups(config) * config->T;
}

/* Of both groups of a sample. */
static size_t prefixes(const cafi_net_config *config)
{
    return config->single ? 0 : config->T / 2 * 2;
}

size_t cafi_net_calls(const cafi_net_config *config)
{
    return config->single ? 1 : prefixes(config) + (cafi_net_has_memory(config) ? 3 : 0);
}

size_t cafi_net_call_rows(const cafi_net_config *config, size_t call, size_t *first)
{
    size_t T = config->T;
    size_t last = prefixes(config) + 2;

    *first = 0;
    if (config->single || call == last)
        return cafi_net_rows(config);
    *first = call % 2 ? T : 0; /* there is an even number of prefixes */
    return call + 2 >= last ? T : 2 * (call / 2 + 1);
}

/* Plain runs of one sample, and their rows. */
static size_t plain_runs(const cafi_net_config *config)
{
    return config->single ? 1 : prefixes(config) + cafi_net_has_memory(config);
}

static size_t plain_rows(const cafi_net_config *config)
{
    size_t pairs = prefixes(config) / 2;

    return 2 * pairs * (pairs + 1) + cafi_net_rows(config);
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
    size_t set = cafi_net_rows(&t->config) + d->M;
    size_t others = 2 * t->capacity;

    take(a, &t->packed, set, 3 * d->D);
    take(a, &t->dpacked, set, 3 * d->D);
    take(a, &t->out, set, d->D);
    take(a, &t->attention_scratch, 1,
         cafi_attention_bwd_scratch(set, d->D / d->H) + cafi_attention_scratch(set, d->D / d->H));
    take(a, &t->keep, 2 * d->L, runs);
    take(a, &t->values, t->capacity * cafi_net_rows(&t->config), d->C);
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
    if (t->config.lambda_entropy > 0.0) {
        take(a, &t->unit, templates, d->C);
        take(a, &t->dunit, templates, d->C);
        take(a, &t->unit_length, templates, 1);
        take(a, &t->cosines, templates, t->config.classes);
    }
}

static void take_all(arena *a, cafi_net *t)
{
    bool memory = cafi_net_has_memory(&t->config);
    size_t runs = t->capacity * cafi_net_calls(&t->config);
    size_t tokens = plain_rows(&t->config) + (memory ? 2 * t->config.T : 0);
    size_t rows = runs * t->config.dims.M + t->capacity * tokens;

    take_blocks(a, t, rows);
    take_assign(a, t, rows, runs);
    take_agn(a, t, t->capacity * (plain_runs(&t->config) + memory));
}

caface_status cafi_net_new(cafi_net **out, const cafi_net_config *config, size_t n,
                           caface_error *err)
{
    cafi_net *t = NULL;
    arena a = {0};
    caface_status st;
    size_t runs = n * cafi_net_calls(config);

    *out = NULL;
    if (config->T < 2 || config->T > CAFI_NET_MAX_T)
        return cafi_fail(err, CAFACE_EINVAL, "groups of %zu rows: must be 2 to %d", config->T,
                         CAFI_NET_MAX_T);
    if (config->single && config->lambda_memory > 0.0)
        return cafi_fail(err, CAFACE_EINVAL,
                         "a memory loss of weight %g: samples of one group have none",
                         config->lambda_memory);
    st = CAFI_NEW(&t, 1, err);
    if (st)
        return st;
    t->config = *config;
    t->capacity = n;
    t->k = cafi_kernels_get();
    t->back = cafi_backward_get();
    take_all(&a, t);
    st = cafi_alloc_f32(&t->memory, 1, a.used, err);
    if (!st)
        st = CAFI_NEW(&t->runs, runs, err);
    if (!st)
        st = cafi_alloc(&t->index, 1, n * (plain_rows(config) + 2 * config->T), err);
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

/* What run number s of the layout is, but for its token rows. */
static net_run run_of(const cafi_net *t, size_t s)
{
    size_t M = t->config.dims.M;
    size_t other = s - t->plain;
    size_t place = s % t->plain_each;

    if (s < t->plain)
        return (net_run){.sample = s / t->plain_each,
                         .call = place < t->prefixes ? place : cafi_net_calls(&t->config) - 1,
                         .centre = (t->others + s) * M};
    return (net_run){.sample = other / 2,
                     .call = t->prefixes + other % 2,
                     .centre = other * M,
                     .twin = other / 2 * t->plain_each + t->prefixes - 2 + other % 2};
}

void net_layout(cafi_net *t, const cafi_net_batch *batch)
{
    bool memory = cafi_net_has_memory(&t->config);
    size_t row;

    t->n = batch->n;
    t->prefixes = prefixes(&t->config);
    t->plain_each = plain_runs(&t->config);
    t->plain = t->n * t->plain_each;
    t->others = memory ? 2 * t->n : 0;
    t->twins = memory && t->config.T % 2 == 0;
    t->templates = t->plain + (memory ? t->n : 0);
    t->tokens = (t->plain + t->others) * t->config.dims.M;
    row = t->tokens;
    for (size_t s = 0; s < t->plain + t->others; s++) {
        net_run *run = &t->runs[s];

        *run = run_of(t, s);
        if (s == t->plain)
            t->spare = row;
        run->n = cafi_net_call_rows(&t->config, run->call, &run->first);
        run->token = row;
        row += run->n;
    }
    if (!memory)
        t->spare = row;
    t->rows = row;
    draw_masks(t, batch);
}
