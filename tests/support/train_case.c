#include "train_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "files/bundle.h"

static float *read_tensor(const cafi_bundle *b, const char *name, size_t *count)
{
    const cafi_tensor *t = cafi_bundle_find(b, name);
    float *out;

    if (!t)
        fail_msg("%s has no %s", cafi_bundle_path(b), name);
    *count = cafi_tensor_count(t);
    out = malloc(*count * sizeof *out);
    assert_non_null(out);
    cafi_tensor_read_f32(t, 0, *count, out);
    return out;
}

static cafi_bundle *open_npz(const char *path)
{
    cafi_bundle *b = NULL;
    caface_error err;

    EXPECT_OK(cafi_bundle_open(&b, path, &err), err);
    return b;
}

static const cafi_tensor *need(const cafi_bundle *b, const char *name)
{
    const cafi_tensor *t = cafi_bundle_find(b, name);

    if (!t)
        fail_msg("%s has no %s", cafi_bundle_path(b), name);
    return t;
}

void train_case_load(train_case *c, const char *state)
{
    cafi_bundle *b = open_npz(state);

    for (size_t i = 0; i < c->params.count; i++) {
        const cafi_param *p = &c->params.items[i];
        const cafi_tensor *t = need(b, p->name);

        assert_int_equal(cafi_tensor_count(t), p->count);
        cafi_tensor_read_f32(t, 0, p->count, c->weights + p->offset);
    }
    cafi_tensor_read_f32(need(b, "style_maker.bn.running_mean"), 0, 64, c->buffers.sim_mean);
    cafi_tensor_read_f32(need(b, "style_maker.bn.running_var"), 0, 64, c->buffers.sim_var);
    cafi_tensor_read_f32(need(b, "norm_emb.norm_bn.running_mean"), 0, 1, &c->buffers.norm_mean);
    cafi_tensor_read_f32(need(b, "norm_emb.norm_bn.running_var"), 0, 1, &c->buffers.norm_var);
    cafi_tensor_read_f32(need(b, "norm_emb.pe"), 0, 61 * 64, c->buffers.pe);
    cafi_bundle_close(b);
}

void train_case_open(train_case *c, const char *initial_state, const char *batches)
{
    cafi_bundle *state = open_npz(initial_state);
    cafi_bundle *data = open_npz(batches);
    const cafi_tensor *features = need(data, "features");
    const cafi_tensor *labels = need(data, "labels");
    cafi_train_dims dims;
    caface_error err;
    size_t L = 0;
    size_t n;
    char name[96];

    *c = (train_case){0};
    do
        snprintf(name, sizeof name, "fusion_net.clustering_layer.blocks.%zu.norm1.bias", ++L);
    while (cafi_bundle_find(state, name));
    snprintf(name, sizeof name, "fusion_net.conf_mlp.%zu.fc2.bias", L);
    EXPECT_OK(cafi_train_dims_make(&dims, features->shape[3],
                                   need(state, "style_maker.cfc")->shape[0],
                                   need(state, "fusion_net.clustering_layer.group_token")->shape[1],
                                   L, need(state, name)->shape[0], &err),
              err);
    c->steps = features->shape[0];
    c->B = features->shape[1];
    c->config = (cafi_net_config){.dims = dims,
                                  .T = features->shape[2] / 2,
                                  .lambda_centre = 1.0,
                                  .lambda_memory = 1.0,
                                  .memory_divisor = (double)c->B};
    EXPECT_OK(cafi_params_new(&c->params, &dims, &err), err);
    EXPECT_OK(cafi_buffers_new(&c->buffers, &dims, &err), err);
    EXPECT_OK(cafi_alloc_f32(&c->weights, 1, c->params.total, &err), err);
    EXPECT_OK(cafi_alloc_f32(&c->grad, 1, c->params.total, &err), err);
    memset(c->weights, 0, c->params.total * sizeof(float));
    memset(c->grad, 0, c->params.total * sizeof(float));
    c->features = read_tensor(data, "features", &n);
    c->styles = read_tensor(data, "style", &n);
    c->centres = read_tensor(data, "centers", &n);
    c->classes = n / dims.C;
    c->labels = calloc(c->steps * c->B, sizeof *c->labels);
    c->targets = calloc(c->B, sizeof *c->targets);
    assert_non_null(c->labels);
    assert_non_null(c->targets);
    EXPECT_OK(cafi_tensor_read_i64(labels, 0, c->steps * c->B, c->labels, &err), err);
    cafi_bundle_close(data);
    cafi_bundle_close(state);
    train_case_load(c, initial_state);
}

void train_case_close(train_case *c)
{
    cafi_params_free(&c->params);
    cafi_buffers_free(&c->buffers);
    free(c->weights);
    free(c->grad);
    free(c->features);
    free(c->styles);
    free(c->labels);
    free(c->centres);
    free(c->targets);
}

cafi_step_batch train_case_batch(train_case *c, size_t step)
{
    size_t rows = c->B * 2 * c->config.T;
    const cafi_train_dims *d = &c->params.dims;

    for (size_t i = 0; i < c->B; i++)
        c->targets[i] = c->centres + (size_t)c->labels[step * c->B + i] * d->C;
    return (cafi_step_batch){.B = c->B,
                             .total = c->B,
                             .seed = 1,
                             .step = step,
                             .features = c->features + step * rows * d->C,
                             .styles = c->styles + step * rows * d->S * 2,
                             .targets = c->targets};
}

/* Gradient zero by symmetry: a BatchNorm follows, or a softmax does not see it. */
static bool skip_tensor(const train_case *c, const char *name)
{
    char last[64];

    snprintf(last, sizeof last, "conf_mlp.%zu.fc2.bias", c->params.dims.L);
    return strstr(name, "style_maker.linear.bias") || strstr(name, "norm_tokens.bias") ||
           strstr(name, "q_proj.bias") || strstr(name, last);
}

double train_case_compare(const train_case *c, const float *flat, const char *npz, bool relative,
                          double tolerance)
{
    cafi_bundle *b = open_npz(npz);
    double worst = 0.0;

    for (size_t i = 0; i < c->params.count; i++) {
        const cafi_param *p = &c->params.items[i];
        size_t D = c->params.dims.D;
        double difference = 0.0;
        double norm = 0.0;
        double top = 0.0;
        size_t n;
        float *want;

        if (skip_tensor(c, p->name))
            continue;
        want = read_tensor(b, p->name, &n);
        for (size_t k = 0; k < n; k++) {
            double d = (double)flat[p->offset + k] - (double)want[k];

            if (strstr(p->name, "qkv.bias") && k >= D && k < 2 * D)
                continue; /* the keys' bias: constant under the softmax over keys */
            difference += d * d;
            norm += (double)want[k] * (double)want[k];
            top = fmax(top, fabs(d));
        }
        difference = relative ? sqrt(difference / norm) : top;
        if (!(difference <= tolerance))
            fail_msg("%s: off by %.3g, allowed %.3g", p->name, difference, tolerance);
        worst = fmax(worst, difference);
        free(want);
    }
    cafi_bundle_close(b);
    return worst;
}

void train_case_compare_buffers(const train_case *c, const char *npz, double tolerance)
{
    cafi_bundle *b = open_npz(npz);
    size_t n;
    float *want = read_tensor(b, "style_maker.bn.running_mean", &n);

    EXPECT_NEAR_F32(c->buffers.sim_mean, want, n, 2.5 * tolerance, "SIM running mean");
    free(want);
    want = read_tensor(b, "style_maker.bn.running_var", &n);
    EXPECT_NEAR_F32(c->buffers.sim_var, want, n, tolerance, "SIM running variance");
    free(want);
    want = read_tensor(b, "norm_emb.norm_bn.running_mean", &n);
    EXPECT_NEAR_F32(&c->buffers.norm_mean, want, n, tolerance, "norm running mean");
    free(want);
    want = read_tensor(b, "norm_emb.norm_bn.running_var", &n);
    EXPECT_NEAR_F32(&c->buffers.norm_var, want, n, tolerance, "norm running variance");
    free(want);
    cafi_bundle_close(b);
}
