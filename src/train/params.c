#include "train/params.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "base/rng.h"
#include "base/text.h"

caface_status cafi_train_dims_make(cafi_train_dims *out, size_t C, size_t S, size_t M, size_t L,
                                   size_t K, caface_error *err)
{
    if (C < 1 || C > 65536 || S < 1 || S > 65536)
        return cafi_fail(err, CAFACE_EINVAL,
                         "features of %zu numbers and styles of %zu channels: both must be 1 to "
                         "65536",
                         C, S);
    if (M < 1 || M > 64)
        return cafi_fail(err, CAFACE_EINVAL, "%zu cluster centres: must be 1 to 64", M);
    if (L < 1 || L > CAFI_TRAIN_MAX_BLOCKS)
        return cafi_fail(err, CAFACE_EINVAL, "%zu blocks: must be 1 to %d", L,
                         CAFI_TRAIN_MAX_BLOCKS);
    if (K != 1 && K != C)
        return cafi_fail(err, CAFACE_EINVAL, "%zu weights a centre: must be 1 or %zu", K, C);
    *out = (cafi_train_dims){
        .C = C, .S = S, .E = 64, .P = 64, .D = 128, .M = M, .K = K, .L = L, .H = 8};
    return CAFACE_OK;
}

/* Walks the layout: the first time counts, the second fills items, and every
 * time each pointer of weights is set from base. */
typedef struct walk {
    cafi_param *items; /* NULL: count only */
    float *base;       /* NULL: pointers are not set */
    size_t count, total;
    char prefix[64];
} walk;

static void tensor(walk *w, float **to, const char *name, int ndim, size_t a, size_t b, size_t c)
{
    size_t count = a * b * c;

    if (w->items) {
        cafi_param *p = &w->items[w->count];

        *p = (cafi_param){.ndim = ndim, .count = count, .offset = w->total};
        p->shape[0] = a;
        p->shape[1] = b;
        p->shape[2] = c;
        snprintf(p->name, sizeof p->name, "%s%s", w->prefix, name);
    }
    if (w->base)
        *to = w->base + w->total;
    w->count++;
    w->total += (count + 15) / 16 * 16;
}

static void affine(walk *w, cafi_affine *to, const char *name, size_t J, size_t K)
{
    char text[64];

    snprintf(text, sizeof text, "%s.weight", name);
    tensor(w, &to->w, text, K ? 2 : 1, J, K ? K : 1, 1);
    snprintf(text, sizeof text, "%s.bias", name);
    tensor(w, &to->b, text, 1, J, 1, 1);
}

static void walk_blocks(walk *w, const cafi_train_dims *d, cafi_weights *to)
{
    for (size_t l = 0; l < d->L; l++) {
        cafi_block_weights *b = &to->block[l];

        snprintf(w->prefix, sizeof w->prefix, "fusion_net.clustering_layer.blocks.%zu.", l);
        affine(w, &b->norm1, "norm1", d->D, 0);
        affine(w, &b->qkv, "attn.qkv", 3 * d->D, d->D);
        affine(w, &b->proj, "attn.proj", d->D, d->D);
        affine(w, &b->norm2, "norm2", d->D, 0);
        affine(w, &b->fc1, "mlp.fc1", 4 * d->D, d->D);
        affine(w, &b->fc2, "mlp.fc2", d->D, 4 * d->D);
    }
}

static void walk_mixers(walk *w, const cafi_train_dims *d, cafi_weights *to)
{
    for (size_t l = 0; l < d->L; l++) {
        cafi_mixer_weights *m = &to->mixer[l];

        snprintf(w->prefix, sizeof w->prefix, "fusion_net.conf_mlp.%zu.", l);
        tensor(w, &m->gate, "skip_connect_gate", 0, 1, 1, 1);
        affine(w, &m->norm, "ln", 2 * d->D, 0);
        affine(w, &m->token1, "tokens_mlp_block.fc1", 2 * d->M, d->M);
        affine(w, &m->token2, "tokens_mlp_block.fc2", d->M, 2 * d->M);
        affine(w, &m->channel1, "channels_mlp_block.fc1", d->D, 2 * d->D);
        affine(w, &m->channel2, "channels_mlp_block.fc2", 2 * d->D, d->D);
    }
    snprintf(w->prefix, sizeof w->prefix, "fusion_net.conf_mlp.%zu.", d->L);
    affine(w, &to->out1, "fc1", 2 * d->D, 2 * d->D);
    affine(w, &to->out2, "fc2", d->K, 2 * d->D);
}

static void walk_all(walk *w, const cafi_train_dims *d, cafi_weights *to)
{
    snprintf(w->prefix, sizeof w->prefix, "style_maker.");
    tensor(w, &to->cfc, "cfc", 2, d->S, 2, 1);
    tensor(w, &to->slope, "relu.weight", 1, 1, 1, 1);
    affine(w, &to->sim, "linear", d->E, d->S);
    affine(w, &to->sim_bn, "bn", d->E, 0);
    snprintf(w->prefix, sizeof w->prefix, "fusion_net.clustering_layer.");
    tensor(w, &to->centres, "group_token", 3, 1, d->M, d->D);
    walk_blocks(w, d, to);
    snprintf(w->prefix, sizeof w->prefix, "fusion_net.clustering_layer.cluster_block.");
    affine(w, &to->norm_centres, "norm_tokens", d->D, 0);
    affine(w, &to->norm_x, "norm_x", d->D, 0);
    affine(w, &to->query, "assign.q_proj", d->D, d->D);
    affine(w, &to->key, "assign.k_proj", d->D, d->D);
    walk_mixers(w, d, to);
    snprintf(w->prefix, sizeof w->prefix, "norm_emb.");
    tensor(w, &to->norm_scale, "scale", 0, 1, 1, 1);
}

caface_status cafi_params_new(cafi_params *out, const cafi_train_dims *dims, caface_error *err)
{
    walk w = {0};
    cafi_weights unused;
    caface_status st;

    *out = (cafi_params){.dims = *dims};
    walk_all(&w, dims, &unused);
    st = CAFI_NEW(&out->items, w.count, err);
    if (st)
        return st;
    w = (walk){.items = out->items};
    walk_all(&w, dims, &unused);
    out->count = w.count;
    out->total = w.total;
    return CAFACE_OK;
}

void cafi_params_free(cafi_params *params)
{
    free(params->items);
    *params = (cafi_params){0};
}

const cafi_param *cafi_params_find(const cafi_params *params, const char *name)
{
    for (size_t i = 0; i < params->count; i++)
        if (!strcmp(params->items[i].name, name))
            return &params->items[i];
    return NULL;
}

void cafi_params_bind(const cafi_params *params, float *base, cafi_weights *out)
{
    walk w = {.base = base};

    memset(out, 0, sizeof *out);
    walk_all(&w, &params->dims, out);
}

static void fill(float *p, size_t n, float value)
{
    for (size_t i = 0; i < n; i++)
        p[i] = value;
}

/* Rows of unit length; each orthogonal to those before it while rows <= D. */
static void orthonormal_rows(float *rows, size_t M, size_t D, cafi_rng *rng)
{
    for (size_t m = 0; m < M; m++) {
        float *row = rows + m * D;
        double square = 0.0;

        for (size_t i = 0; i < D; i++)
            row[i] = (float)cafi_rng_normal(rng);
        for (size_t k = 0; k < m && m < D; k++) {
            double dot = 0.0;

            for (size_t i = 0; i < D; i++)
                dot += (double)row[i] * (double)rows[k * D + i];
            for (size_t i = 0; i < D; i++)
                row[i] -= (float)dot * rows[k * D + i];
        }
        for (size_t i = 0; i < D; i++)
            square += (double)row[i] * (double)row[i];
        for (size_t i = 0; i < D; i++)
            row[i] = (float)((double)row[i] / sqrt(square));
    }
}

caface_status cafi_params_init(const cafi_params *params, float *base, uint64_t seed,
                               caface_error *err)
{
    const cafi_train_dims *d = &params->dims;
    cafi_weights w;
    double bound = 1.0 / sqrt((double)d->S);

    if (!base)
        return cafi_fail(err, CAFACE_EINVAL, "params_init: null argument");
    fill(base, params->total, 0.0f);
    for (size_t i = 0; i < params->count; i++) {
        const cafi_param *p = &params->items[i];
        cafi_rng rng = cafi_rng_at(seed, i, 0, 0);

        if (p->ndim == 2)
            for (size_t k = 0; k < p->count; k++)
                base[p->offset + k] = (float)(0.02 * cafi_rng_normal(&rng));
        else if (p->ndim == 1 && cafi_ends_with(p->name, ".weight"))
            fill(base + p->offset, p->count, 1.0f);
    }
    cafi_params_bind(params, base, &w);
    cafi_rng rng = cafi_rng_at(seed, params->count, 0, 0);
    fill(w.cfc, 2 * d->S, 0.0f);
    *w.slope = 0.25f;
    for (size_t i = 0; i < d->E * d->S; i++)
        w.sim.w[i] = (float)cafi_rng_range(&rng, -bound, bound);
    for (size_t i = 0; i < d->E; i++)
        w.sim.b[i] = (float)cafi_rng_range(&rng, -bound, bound);
    orthonormal_rows(w.centres, d->M, d->D, &rng);
    for (size_t l = 0; l < d->L; l++)
        *w.mixer[l].gate = 1.0f;
    *w.norm_scale = 0.1f;
    return CAFACE_OK;
}
