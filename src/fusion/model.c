#include "fusion/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sized.h"
#include "fusion/scratch.h"

#define CLUSTER "fusion_net.clustering_layer."
#define ASSIGN CLUSTER "cluster_block."
#define BATCHNORM_EPS 1e-5
#define DEFAULT_HEADS 8

/* Heads cannot be read from a shape: a converted file carries them in its
 * metadata, as "fusion": {"H": 8}; a checkpoint of the release says nothing, and
 * has 8. */
static size_t read_heads(cafi_binder *binder, const cafi_value *config, size_t D)
{
    int64_t heads = DEFAULT_HEADS;

    cafi_value_int(cafi_value_get(config, "fusion"), "H", &heads);
    if (heads < 1 || (uint64_t)heads > D || D % (size_t)heads) {
        cafi_binder_fail(binder, CAFACE_EMODEL,
                         "%lld attention heads do not divide a token of %zu numbers",
                         (long long)heads, D);
        return 1;
    }
    return (size_t)heads;
}

/* Blocks are numbered from 0 without gaps; one beyond the limit is enough. */
static size_t count_blocks(const cafi_binder *binder)
{
    size_t n = 0;

    while (n <= CAFI_MAX_L && cafi_binder_has(binder, CLUSTER "blocks.%zu.norm1.weight", n))
        n++;
    return n;
}

static size_t count_mixers(const cafi_binder *binder)
{
    size_t n = 0;

    while (n <= CAFI_MAX_L && cafi_binder_has(binder, "fusion_net.conf_mlp.%zu.ln.weight", n))
        n++;
    return n;
}

/* The feature width: one confidence a channel gives it away; with one a
 * cluster, the class centres do, if the file has them. */
static size_t read_width(cafi_binder *binder, const cafi_bundle *bundle, size_t K)
{
    const cafi_tensor *centers = cafi_bundle_find(bundle, "center.weight");
    size_t C = centers && centers->ndim == 2 ? centers->shape[1] : 0;

    if (K > 1 && C && C != K)
        cafi_binder_fail(binder, CAFACE_EMODEL,
                         "the confidence head has %zu outputs, center.weight has %zu columns: the "
                         "head must have as many, or one",
                         K, C);
    return K > 1 ? K : C;
}

static void read_sizes(cafi_binder *binder, const cafi_bundle *bundle, caface_model_info *info)
{
    size_t width = 0;

    info->S = cafi_binder_extent(binder, 2, 0, CAFI_MAX_S, "style_maker.cfc");
    info->compact = cafi_binder_extent(binder, 2, 0, CAFI_MAX_D, "style_maker.linear.weight");
    width = cafi_binder_extent(binder, 2, 1, CAFI_MAX_D, "norm_emb.pe");
    info->M = cafi_binder_extent(binder, 3, 1, CAFI_MAX_M, CLUSTER "group_token");
    info->D = cafi_binder_extent(binder, 3, 2, CAFI_MAX_D, CLUSTER "group_token");
    if (info->D != info->compact + width)
        cafi_binder_fail(binder, CAFACE_EMODEL,
                         "%s: tokens have %zu numbers, style and norm embedding together %zu",
                         CAFI_CLUSTER_PREFIX CLUSTER "group_token", info->D, info->compact + width);
    info->L = count_blocks(binder);
    info->A = count_mixers(binder);
    if (!info->L)
        cafi_binder_fail(binder, CAFACE_EMODEL,
                         CAFI_CLUSTER_PREFIX CLUSTER "blocks.0.norm1.weight: not in the file");
    if (info->L > CAFI_MAX_L || info->A > CAFI_MAX_L)
        cafi_binder_fail(binder, CAFACE_ELIMIT,
                         CAFI_CLUSTER_PREFIX "fusion_net: more than %d blocks are not supported",
                         CAFI_MAX_L);
    info->K =
        cafi_binder_extent(binder, 2, 0, CAFI_MAX_K, "fusion_net.conf_mlp.%zu.fc2.weight", info->A);
    info->C = read_width(binder, bundle, info->K);
    info->H = read_heads(binder, cafi_bundle_config(bundle), info->D);
}

static void check_variance(cafi_binder *binder, const char *name, const float *var, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (var[i] < 0.0f)
            cafi_binder_fail(binder, CAFACE_EMODEL, CAFI_CLUSTER_PREFIX "%s: a variance of %g",
                             name, (double)var[i]);
}

/* Style input maker: the BatchNorm behind its linear layer becomes part of it. */
static void bind_sim(cafi_binder *binder, caface_model *m)
{
    size_t S = m->info.S, E = m->info.compact;
    size_t shape[2] = {E, S};
    size_t pairs[2] = {S, 2};
    const float *slope = cafi_bind_scalar(binder, "style_maker.relu.weight");
    const float *w = cafi_bind_tensor(binder, 2, shape, "style_maker.linear.weight");
    const float *b = cafi_bind_vector(binder, E, "style_maker.linear.bias");
    const float *gamma = cafi_bind_vector(binder, E, "style_maker.bn.weight");
    const float *beta = cafi_bind_vector(binder, E, "style_maker.bn.bias");
    const float *mean = cafi_bind_vector(binder, E, "style_maker.bn.running_mean");
    const float *var = cafi_bind_vector(binder, E, "style_maker.bn.running_var");
    float *folded = cafi_binder_floats(binder, E, S);
    float *bias = cafi_binder_floats(binder, 1, E);
    float *packed = cafi_binder_floats(binder, 1, cafi_packed_size(S, E));

    m->cfc = cafi_bind_tensor(binder, 2, pairs, "style_maker.cfc");
    if (cafi_binder_status(binder))
        return;
    m->slope = slope[0];
    check_variance(binder, "style_maker.bn.running_var", var, E);
    for (size_t e = 0; e < E; e++) {
        double scale = (double)gamma[e] / sqrt((double)var[e] + BATCHNORM_EPS);

        for (size_t s = 0; s < S; s++)
            folded[e * S + s] = (float)((double)w[e * S + s] * scale);
        bias[e] = (float)(((double)b[e] - (double)mean[e]) * scale + (double)beta[e]);
    }
    m->sim = cafi_pack_linear(packed, folded, bias, S, E);
}

static void bind_norm_embedding(cafi_binder *binder, caface_model *m)
{
    size_t width = m->info.D - m->info.compact;
    size_t shape[2] = {CAFI_NORM_ROWS, width};
    const float *pe = cafi_bind_tensor(binder, 2, shape, "norm_emb.pe");
    const float *scale = cafi_bind_scalar(binder, "norm_emb.scale");
    const float *mean = cafi_bind_vector(binder, 1, "norm_emb.norm_bn.running_mean");
    const float *var = cafi_bind_vector(binder, 1, "norm_emb.norm_bn.running_var");
    float *scaled = cafi_binder_floats(binder, CAFI_NORM_ROWS, width);

    if (cafi_binder_status(binder))
        return;
    check_variance(binder, "norm_emb.norm_bn.running_var", var, 1);
    for (size_t i = 0; i < CAFI_NORM_ROWS * width; i++)
        scaled[i] = scale[0] * pe[i];
    m->norm_embedding = scaled;
    /* In floats and in this form, as the release computes it: the index is
     * truncated, so a norm on an edge must round the same way. */
    m->norm_scale = 1.0f / sqrtf(var[0] + (float)BATCHNORM_EPS);
    m->norm_shift = -mean[0] * m->norm_scale;
}

/* The first block's layer, folded with what is known about its input. */
static void fold_first(cafi_binder *binder, caface_model *m, const float *w, const float *bias)
{
    size_t D = m->info.D, E = m->info.compact, J = 3 * D;
    const float *gamma = m->blocks[0].norm1_weight, *beta = m->blocks[0].norm1_bias;
    float *left = cafi_binder_floats(binder, J, E);
    float *b = cafi_binder_floats(binder, 1, J);
    float *packed = cafi_binder_floats(binder, 1, cafi_packed_size(E, J));
    float *norms = cafi_binder_floats(binder, CAFI_NORM_ROWS, J);
    float *ones = cafi_binder_floats(binder, 1, J);

    if (cafi_binder_status(binder))
        return;
    for (size_t j = 0; j < J; j++) {
        const float *row = w + j * D;
        double one = 0.0, shift = (double)bias[j];

        memcpy(left + j * E, row, E * sizeof *left);
        for (size_t k = E; k < D; k++) {
            one += (double)row[k] * (double)gamma[k];
            shift += (double)row[k] * (double)beta[k];
        }
        for (size_t i = 0; i < CAFI_NORM_ROWS; i++) {
            const float *pe = m->norm_embedding + i * (D - E);
            double sum = 0.0;

            for (size_t k = E; k < D; k++)
                sum += (double)row[k] * (double)gamma[k] * (double)pe[k - E];
            norms[i * J + j] = (float)sum;
        }
        ones[j] = (float)one;
        b[j] = (float)shift;
    }
    m->first.qkv = cafi_pack_linear(packed, left, b, E, J);
    m->first.norms = norms;
    m->first.ones = ones;
}

/* Queries apart from keys and values: the last block needs none of its centres. */
static void bind_qkv(cafi_binder *binder, caface_model *m, size_t i)
{
    size_t D = m->info.D;
    size_t shape[2] = {3 * D, D};
    const float *w = cafi_bind_tensor(binder, 2, shape, CLUSTER "blocks.%zu.attn.qkv.weight", i);
    const float *b = cafi_bind_vector(binder, 3 * D, CLUSTER "blocks.%zu.attn.qkv.bias", i);
    float *q = cafi_binder_floats(binder, 1, cafi_packed_size(D, D));
    float *kv = cafi_binder_floats(binder, 1, cafi_packed_size(D, 2 * D));

    if (cafi_binder_status(binder))
        return;
    m->blocks[i].q = cafi_pack_linear(q, w, b, D, D);
    m->blocks[i].kv = cafi_pack_linear(kv, w + D * D, b + D, D, 2 * D);
    if (i == 0)
        fold_first(binder, m, w, b);
}

static void bind_blocks(cafi_binder *binder, caface_model *m)
{
    size_t D = m->info.D;

    for (size_t i = 0; i < m->info.L; i++) {
        cafi_cluster_block *b = &m->blocks[i];
        size_t hidden = cafi_binder_extent(binder, 2, 0, CAFI_MAX_HIDDEN,
                                           CLUSTER "blocks.%zu.mlp.fc1.weight", i);

        b->norm1_weight = cafi_bind_vector(binder, D, CLUSTER "blocks.%zu.norm1.weight", i);
        b->norm1_bias = cafi_bind_vector(binder, D, CLUSTER "blocks.%zu.norm1.bias", i);
        b->norm2_weight = cafi_bind_vector(binder, D, CLUSTER "blocks.%zu.norm2.weight", i);
        b->norm2_bias = cafi_bind_vector(binder, D, CLUSTER "blocks.%zu.norm2.bias", i);
        bind_qkv(binder, m, i);
        b->proj = cafi_bind_linear(binder, D, D, CLUSTER "blocks.%zu.attn.proj", i);
        b->fc1 = cafi_bind_linear(binder, D, hidden, CLUSTER "blocks.%zu.mlp.fc1", i);
        b->fc2 = cafi_bind_linear(binder, hidden, D, CLUSTER "blocks.%zu.mlp.fc2", i);
        if (hidden > m->hidden)
            m->hidden = hidden;
    }
}

/* The centre rows enter the first block as constants. */
static void precompute_centres(cafi_binder *binder, caface_model *m)
{
    size_t M = m->info.M, D = m->info.D;
    float *norm = cafi_binder_floats(binder, M, D);
    float *qkv = cafi_binder_floats(binder, M, 3 * D);
    const cafi_cluster_block *b = m->blocks;

    if (cafi_binder_status(binder))
        return;
    m->kernels->layernorm(norm, m->centres, b->norm1_weight, b->norm1_bias, M, D);
    m->kernels->linear(qkv, 3 * D, norm, D, M, &b->q, CAFI_STORE);
    m->kernels->linear(qkv + D, 3 * D, norm, D, M, &b->kv, CAFI_STORE);
    m->first.centres = qkv;
}

/* score[m][n] = q_m . (Wk x_n + bk) / sqrt D with q_m constant, so the key
 * projection and the product with the queries are one layer of M outputs. */
static void bind_assignment(cafi_binder *binder, caface_model *m)
{
    size_t M = m->info.M, D = m->info.D;
    size_t centres[3] = {1, M, D};
    size_t square[2] = {D, D};
    const float *gamma = cafi_bind_vector(binder, D, ASSIGN "norm_tokens.weight");
    const float *beta = cafi_bind_vector(binder, D, ASSIGN "norm_tokens.bias");
    const float *wq = cafi_bind_tensor(binder, 2, square, ASSIGN "assign.q_proj.weight");
    const float *bq = cafi_bind_vector(binder, D, ASSIGN "assign.q_proj.bias");
    const float *wk = cafi_bind_tensor(binder, 2, square, ASSIGN "assign.k_proj.weight");
    const float *bk = cafi_bind_vector(binder, D, ASSIGN "assign.k_proj.bias");
    float *norm = cafi_binder_floats(binder, M, D);
    float *w = cafi_binder_floats(binder, M, D);
    float *b = cafi_binder_floats(binder, 1, M);
    float *packed = cafi_binder_floats(binder, 1, cafi_packed_size(D, M));
    double *row = NULL;

    m->norm_x_weight = cafi_bind_vector(binder, D, ASSIGN "norm_x.weight");
    m->norm_x_bias = cafi_bind_vector(binder, D, ASSIGN "norm_x.bias");
    m->centres = cafi_bind_tensor(binder, 3, centres, CLUSTER "group_token");
    if (cafi_binder_status(binder))
        return;
    if (CAFI_NEW(&row, D, NULL)) {
        cafi_binder_fail(binder, CAFACE_ENOMEM, "out of memory: %zu bytes", D * sizeof *row);
        return;
    }
    m->kernels->layernorm(norm, m->centres, gamma, beta, M, D);
    for (size_t c = 0; c < M; c++) {
        double shift = 0.0;

        memset(row, 0, D * sizeof *row);
        for (size_t j = 0; j < D; j++) {
            double q = (double)bq[j];

            for (size_t k = 0; k < D; k++)
                q += (double)norm[c * D + k] * (double)wq[j * D + k];
            shift += q * (double)bk[j];
            for (size_t k = 0; k < D; k++)
                row[k] += q * (double)wk[j * D + k];
        }
        for (size_t k = 0; k < D; k++)
            w[c * D + k] = (float)(row[k] / sqrt((double)D));
        b[c] = (float)(shift / sqrt((double)D));
    }
    free(row);
    m->assign = cafi_pack_linear(packed, w, b, D, M);
}

static void bind_mixer(cafi_binder *binder, caface_model *m, size_t i)
{
    cafi_mixer *x = &m->mixers[i];
    size_t M = m->info.M, W = 2 * m->info.D;
    size_t hidden = cafi_binder_extent(binder, 2, 0, CAFI_MAX_HIDDEN,
                                       "fusion_net.conf_mlp.%zu.channels_mlp_block.fc1.weight", i);
    size_t tokens = cafi_binder_extent(binder, 2, 0, CAFI_MAX_HIDDEN,
                                       "fusion_net.conf_mlp.%zu.tokens_mlp_block.fc1.weight", i);
    size_t up[2] = {tokens, M}, down[2] = {M, tokens};
    const float *gate =
        cafi_bind_tensor(binder, 0, NULL, "fusion_net.conf_mlp.%zu.skip_connect_gate", i);

    x->gate = gate ? gate[0] : 0.0f;
    x->tokens = tokens;
    x->norm_weight = cafi_bind_vector(binder, W, "fusion_net.conf_mlp.%zu.ln.weight", i);
    x->norm_bias = cafi_bind_vector(binder, W, "fusion_net.conf_mlp.%zu.ln.bias", i);
    x->token_w1 =
        cafi_bind_tensor(binder, 2, up, "fusion_net.conf_mlp.%zu.tokens_mlp_block.fc1.weight", i);
    x->token_b1 =
        cafi_bind_vector(binder, tokens, "fusion_net.conf_mlp.%zu.tokens_mlp_block.fc1.bias", i);
    x->token_w2 =
        cafi_bind_tensor(binder, 2, down, "fusion_net.conf_mlp.%zu.tokens_mlp_block.fc2.weight", i);
    x->token_b2 =
        cafi_bind_vector(binder, M, "fusion_net.conf_mlp.%zu.tokens_mlp_block.fc2.bias", i);
    x->fc1 =
        cafi_bind_linear(binder, W, hidden, "fusion_net.conf_mlp.%zu.channels_mlp_block.fc1", i);
    x->fc2 =
        cafi_bind_linear(binder, hidden, W, "fusion_net.conf_mlp.%zu.channels_mlp_block.fc2", i);
    if (hidden > m->wide)
        m->wide = hidden;
    /* The token mixer works on [tokens][2D]; counted in rows of M. */
    if (tokens * W / M + 1 > m->wide)
        m->wide = tokens * W / M + 1;
}

static void bind_aggregation(cafi_binder *binder, caface_model *m)
{
    size_t W = 2 * m->info.D;
    size_t hidden = cafi_binder_extent(binder, 2, 0, CAFI_MAX_HIDDEN,
                                       "fusion_net.conf_mlp.%zu.fc1.weight", m->info.A);

    for (size_t i = 0; i < m->info.A; i++)
        bind_mixer(binder, m, i);
    m->head1 = cafi_bind_linear(binder, W, hidden, "fusion_net.conf_mlp.%zu.fc1", m->info.A);
    m->head2 =
        cafi_bind_linear(binder, hidden, m->info.K, "fusion_net.conf_mlp.%zu.fc2", m->info.A);
    /* A softmax over the centres does not see what all of them have in common. */
    m->head2.b = cafi_binder_floats(binder, 1, m->info.K + CAFI_PANEL);
    if (hidden > m->wide)
        m->wide = hidden;
}

static caface_status bind_all(caface_model *m, const cafi_bundle *bundle, caface_error *err)
{
    cafi_binder *binder = NULL;
    caface_status st = cafi_binder_new(&binder, bundle, CAFI_CLUSTER_PREFIX, &m->arena, err);

    if (st)
        return st;
    read_sizes(binder, bundle, &m->info);
    st = cafi_binder_status(binder);
    if (!st)
        st = CAFI_NEW(&m->blocks, m->info.L, err);
    if (!st)
        st = CAFI_NEW(&m->mixers, m->info.A, err);
    if (!st) {
        bind_sim(binder, m);
        bind_norm_embedding(binder, m);
        bind_blocks(binder, m);
        bind_assignment(binder, m);
        precompute_centres(binder, m);
        bind_aggregation(binder, m);
        cafi_binder_check_complete(binder);
        cafi_binder_hash(binder, m->info.hash);
        st = cafi_binder_status(binder);
    }
    cafi_binder_free(binder);
    return st;
}

caface_status cafi_model_bind(caface_model **out, const cafi_bundle *bundle, caface_error *err)
{
    caface_model *m = NULL;
    unsigned mode = 0;
    caface_status st = CAFACE_OK;

    *out = NULL;
    if (!cafi_fusion_is_in(bundle))
        return cafi_fail(err, CAFACE_EMODEL,
                         "no fusion network in this file (no tensors named " CAFI_CLUSTER_PREFIX
                         "* or " CAFI_RESTORE_PREFIX "*)");
    if (cafi_fusion_clusters(bundle) && cafi_fusion_restores(bundle))
        return cafi_fail(err, CAFACE_EMODEL,
                         "two fusion networks in one file: " CAFI_CLUSTER_PREFIX
                         "* and " CAFI_RESTORE_PREFIX "*");
    st = CAFI_NEW(&m, 1, err);
    if (st)
        return st;
    m->kernels = cafi_kernels_get();
    m->info.form = "";
    mode = cafi_fp_flush_denormals();
    st = cafi_fusion_clusters(bundle) ? bind_all(m, bundle, err)
                                      : cafi_model_bind_restore(m, bundle, err);
    cafi_fp_restore(mode);
    if (!st)
        st = cafi_source_trained_on(&m->trained_on, cafi_bundle_config(bundle), err);
    m->info.backbone = m->trained_on.backbone;
    m->info.input = m->trained_on.input;
    m->info.encoding = m->trained_on.encoding;
    if (!st)
        st = cafi_idle_new(&m->idle, err);
    if (st) {
        caface_model_free(m);
        return st;
    }
    *out = m;
    return CAFACE_OK;
}

caface_status caface_model_open(caface_model **out, const char *path, caface_error *err)
{
    cafi_bundle *bundle = NULL;
    caface_status st = CAFACE_OK;

    if (out)
        *out = NULL;
    if (!out || !path)
        return cafi_fail(err, CAFACE_EINVAL, "model_open: null argument");
    st = cafi_bundle_open(&bundle, path, err);
    if (st)
        return st;
    st = cafi_model_bind(out, bundle, err);
    cafi_bundle_close(bundle);
    return st ? cafi_prefix(err, st, path) : CAFACE_OK;
}

caface_status caface_model_is_in(const char *path, int *found, caface_error *err)
{
    cafi_bundle *bundle = NULL;
    caface_status st = CAFACE_OK;

    if (found)
        *found = 0;
    if (!path || !found)
        return cafi_fail(err, CAFACE_EINVAL, "model_is_in: null argument");
    if ((st = cafi_bundle_open(&bundle, path, err)))
        return st;
    *found = cafi_fusion_is_in(bundle);
    cafi_bundle_close(bundle);
    return CAFACE_OK;
}

caface_status caface_model_open_memory(caface_model **out, const void *bytes, size_t size,
                                       caface_error *err)
{
    static const char name[] = "model in memory";
    cafi_bundle *bundle = NULL;
    caface_status st = CAFACE_OK;

    if (out)
        *out = NULL;
    if (!out || !bytes)
        return cafi_fail(err, CAFACE_EINVAL, "model_open_memory: null argument");
    st = cafi_bundle_open_memory(&bundle, bytes, size, name, err);
    if (st)
        return st;
    st = cafi_model_bind(out, bundle, err);
    cafi_bundle_close(bundle);
    return st ? cafi_prefix(err, st, name) : CAFACE_OK;
}

void caface_model_free(caface_model *model)
{
    if (!model)
        return;
    cafi_idle_free(model->idle);
    cafi_arena_free(&model->arena);
    free(model->blocks);
    free(model->mixers);
    free(model->members);
    cafi_source_free(&model->trained_on);
    free(model);
}

void caface_model_get_info_sized(const caface_model *model, caface_model_info *info, size_t size)
{
    cafi_sized_out(info, size, &model->info, sizeof model->info);
}
