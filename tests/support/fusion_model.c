#include "fusion_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/safetensors.h"

#define CN "fusion_net.clustering_layer."

test_sizes test_sizes_of(size_t C, size_t S, size_t E, size_t D, size_t M, size_t K, size_t L,
                         size_t H)
{
    return (test_sizes){.C = C,
                        .S = S,
                        .E = E,
                        .D = D,
                        .M = M,
                        .K = K,
                        .L = L,
                        .A = L,
                        .H = H,
                        .hidden = 4 * D,
                        .tokens = 2 * M,
                        .wide = D};
}

/* One more tensor: base + scale * uniform. */
static float *add(test_model *m, test_rng *rng, float base, float scale, int ndim, size_t a,
                  size_t b, size_t c, const char *name)
{
    test_tensor *t = NULL;
    size_t n = (ndim > 0 ? a : 1) * (ndim > 1 ? b : 1) * (ndim > 2 ? c : 1);

    m->tensors = realloc(m->tensors, (m->count + 1) * sizeof *m->tensors);
    assert_non_null(m->tensors);
    t = &m->tensors[m->count++];
    *t = (test_tensor){.ndim = ndim, .shape = {a, b, c}, .data = malloc(n * sizeof(float))};
    assert_non_null(t->data);
    snprintf(t->name, sizeof t->name, "aggregator.%s", name);
    test_fill(rng, t->data, n, scale);
    for (size_t i = 0; i < n; i++)
        t->data[i] += base;
    return t->data;
}

static void add_linear(test_model *m, test_rng *rng, size_t K, size_t J, const char *name)
{
    char text[128];

    snprintf(text, sizeof text, "%s.weight", name);
    add(m, rng, 0.0f, 1.7f / sqrtf((float)K), 2, J, K, 0, text);
    snprintf(text, sizeof text, "%s.bias", name);
    add(m, rng, 0.0f, 0.3f, 1, J, 0, 0, text);
}

static void add_norm(test_model *m, test_rng *rng, size_t n, const char *name)
{
    char text[128];

    snprintf(text, sizeof text, "%s.weight", name);
    add(m, rng, 1.0f, 0.5f, 1, n, 0, 0, text);
    snprintf(text, sizeof text, "%s.bias", name);
    add(m, rng, 0.0f, 0.3f, 1, n, 0, 0, text);
}

static void add_blocks(test_model *m, test_rng *rng)
{
    const test_sizes *z = &m->sizes;
    char text[100];

    for (size_t i = 0; i < z->L; i++) {
        const struct {
            const char *name;
            size_t K, J;
        } layers[] = {{"norm1", z->D, 0},           {"attn.qkv", z->D, 3 * z->D},
                      {"attn.proj", z->D, z->D},    {"norm2", z->D, 0},
                      {"mlp.fc1", z->D, z->hidden}, {"mlp.fc2", z->hidden, z->D}};

        for (size_t k = 0; k < sizeof layers / sizeof *layers; k++) {
            snprintf(text, sizeof text, CN "blocks.%zu.%s", i, layers[k].name);
            if (layers[k].J)
                add_linear(m, rng, layers[k].K, layers[k].J, text);
            else
                add_norm(m, rng, layers[k].K, text);
        }
    }
}

static void add_mixers(test_model *m, test_rng *rng)
{
    const test_sizes *z = &m->sizes;
    char text[100];

    for (size_t i = 0; i < z->A; i++) {
        snprintf(text, sizeof text, "fusion_net.conf_mlp.%zu.skip_connect_gate", i);
        add(m, rng, 1.0f, 0.2f, 0, 0, 0, 0, text);
        snprintf(text, sizeof text, "fusion_net.conf_mlp.%zu.ln", i);
        add_norm(m, rng, 2 * z->D, text);
        snprintf(text, sizeof text, "fusion_net.conf_mlp.%zu.tokens_mlp_block.fc1", i);
        add_linear(m, rng, z->M, z->tokens, text);
        snprintf(text, sizeof text, "fusion_net.conf_mlp.%zu.tokens_mlp_block.fc2", i);
        add_linear(m, rng, z->tokens, z->M, text);
        snprintf(text, sizeof text, "fusion_net.conf_mlp.%zu.channels_mlp_block.fc1", i);
        add_linear(m, rng, 2 * z->D, z->wide, text);
        snprintf(text, sizeof text, "fusion_net.conf_mlp.%zu.channels_mlp_block.fc2", i);
        add_linear(m, rng, z->wide, 2 * z->D, text);
    }
    snprintf(text, sizeof text, "fusion_net.conf_mlp.%zu.fc1", z->A);
    add_linear(m, rng, 2 * z->D, z->wide, text);
    snprintf(text, sizeof text, "fusion_net.conf_mlp.%zu.fc2", z->A);
    add_linear(m, rng, z->wide, z->K, text);
}

test_model test_model_new(test_rng *rng, test_sizes sizes)
{
    test_model m = {.sizes = sizes};

    add(&m, rng, 0.0f, 0.8f, 2, sizes.S, 2, 0, "style_maker.cfc");
    add(&m, rng, 0.25f, 0.1f, 1, 1, 0, 0, "style_maker.relu.weight");
    add_linear(&m, rng, sizes.S, sizes.E, "style_maker.linear");
    add_norm(&m, rng, sizes.E, "style_maker.bn");
    add(&m, rng, 0.0f, 0.3f, 1, sizes.E, 0, 0, "style_maker.bn.running_mean");
    add(&m, rng, 1.0f, 0.4f, 1, sizes.E, 0, 0, "style_maker.bn.running_var");
    add(&m, rng, 0.0f, 1.0f, 2, 61, sizes.D - sizes.E, 0, "norm_emb.pe");
    add(&m, rng, 0.4f, 0.2f, 0, 0, 0, 0, "norm_emb.scale");
    add(&m, rng, sqrtf((float)sizes.C) * 0.6f, 0.1f, 1, 1, 0, 0, "norm_emb.norm_bn.running_mean");
    add(&m, rng, 0.2f, 0.05f, 1, 1, 0, 0, "norm_emb.norm_bn.running_var");
    add(&m, rng, 0.0f, 1.0f, 3, 1, sizes.M, sizes.D, CN "group_token");
    add_blocks(&m, rng);
    add_norm(&m, rng, sizes.D, CN "cluster_block.norm_tokens");
    add_norm(&m, rng, sizes.D, CN "cluster_block.norm_x");
    add_linear(&m, rng, sizes.D, sizes.D, CN "cluster_block.assign.q_proj");
    add_linear(&m, rng, sizes.D, sizes.D, CN "cluster_block.assign.k_proj");
    add_mixers(&m, rng);
    return m;
}

void test_model_free(test_model *model)
{
    for (size_t i = 0; i < model->count; i++)
        free(model->tensors[i].data);
    free(model->tensors);
    *model = (test_model){0};
}

test_tensor *test_model_find(const test_model *model, const char *name)
{
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->tensors[i].name + strlen("aggregator."), name) == 0)
            return &model->tensors[i];
    return NULL;
}

void test_model_save(const test_model *model, const char *path, int reversed)
{
    cafi_tensor *tensors = calloc(model->count, sizeof *tensors);
    const cafi_tensor **list = calloc(model->count, sizeof *list);
    char key[] = "H";
    char outer_key[] = "fusion";
    char *keys[] = {key};
    char *outer_keys[] = {outer_key};
    cafi_value heads = {.kind = CAFI_INT, .u.integer = (int64_t)model->sizes.H};
    cafi_value fusion = {.kind = CAFI_DICT, .u.list = {&heads, keys, 1}};
    cafi_value metadata = {.kind = CAFI_DICT, .u.list = {&fusion, outer_keys, 1}};
    caface_error err;

    assert_true(tensors && list);
    for (size_t i = 0; i < model->count; i++) {
        const test_tensor *from = &model->tensors[i];
        cafi_tensor *t = &tensors[i];
        ptrdiff_t stride = 1;

        *t = (cafi_tensor){.name = from->name,
                           .dtype = CAFI_F32,
                           .ndim = from->ndim,
                           .data = (const unsigned char *)from->data};
        for (int d = from->ndim; d-- > 0;) {
            t->shape[d] = from->shape[d];
            t->stride[d] = stride;
            stride *= (ptrdiff_t)from->shape[d];
        }
        list[reversed ? model->count - 1 - i : i] = t;
    }
    EXPECT_OK(cafi_safetensors_save(path, list, model->count, &metadata, &err), err);
    free(list);
    free(tensors);
}
