#include "train/model_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "caface/version.h"
#include "files/fusion_names.h"
#include "files/safetensors.h"

#define EXTRA 8

/* Tensors to write, with names of their own. */
typedef struct tensor_list {
    cafi_tensor *tensors;
    const cafi_tensor **order;
    char (*names)[160];
    size_t count;
} tensor_list;

static void add(tensor_list *l, const char *name, cafi_dtype dtype, const void *data, int ndim,
                size_t a, size_t b, size_t c)
{
    cafi_tensor *t = &l->tensors[l->count];

    snprintf(l->names[l->count], sizeof *l->names, CAFI_CLUSTER_PREFIX "%s", name);
    *t = (cafi_tensor){
        .name = l->names[l->count], .data = data, .dtype = dtype, .ndim = ndim, .shape = {a, b, c}};
    for (size_t i = (size_t)ndim, step = 1; i-- > 0;) {
        t->stride[i] = (ptrdiff_t)step;
        step *= t->shape[i];
    }
    l->order[l->count++] = t;
}

static void add_all(tensor_list *l, const cafi_params *params, const float *weights,
                    const cafi_buffers *b)
{
    size_t E = params->dims.E;

    for (size_t i = 0; i < params->count; i++) {
        const cafi_param *p = &params->items[i];

        add(l, p->name, CAFI_F32, weights + p->offset, p->ndim, p->shape[0], p->shape[1],
            p->shape[2]);
        if (!strcmp(p->name, "style_maker.cfc"))
            add(l, "style_maker.cfcs.0", CAFI_F32, weights + p->offset, 2, p->shape[0], 2, 1);
    }
    add(l, "style_maker.bn.running_mean", CAFI_F32, b->sim_mean, 1, E, 1, 1);
    add(l, "style_maker.bn.running_var", CAFI_F32, b->sim_var, 1, E, 1, 1);
    add(l, "style_maker.bn.num_batches_tracked", CAFI_I64, &b->sim_batches, 0, 1, 1, 1);
    add(l, "norm_emb.norm_bn.running_mean", CAFI_F32, &b->norm_mean, 1, 1, 1, 1);
    add(l, "norm_emb.norm_bn.running_var", CAFI_F32, &b->norm_var, 1, 1, 1, 1);
    add(l, "norm_emb.norm_bn.num_batches_tracked", CAFI_I64, &b->norm_batches, 0, 1, 1, 1);
    add(l, "norm_emb.pe", CAFI_F32, b->pe, 2, CAFI_PE_ROWS, params->dims.P, 1);
}

static cafi_value text_value(char *text)
{
    return (cafi_value){.kind = CAFI_STRING, .u.text = {text, strlen(text)}};
}

caface_status cafi_model_file_save(const char *path, const cafi_params *params,
                                   const float *weights, const cafi_buffers *buffers,
                                   cafi_origin trained_on, caface_error *err)
{
    const cafi_train_dims *d = &params->dims;
    char version[] = CAFACE_VERSION;
    char conf[32];
    char decoder[64];
    char *keys[] = {(char[]){"caface.version"}, (char[]){"decoder_name"}, (char[]){"fusion"},
                    (char[]){CAFI_TRAINED_ON}};
    cafi_origin_room room;
    char *heads_key[] = {(char[]){"H"}};
    cafi_value heads = {.kind = CAFI_INT, .u.integer = (int64_t)d->H};
    cafi_value members[4];
    cafi_value dict = {.kind = CAFI_DICT, .u.list = {members, keys, 3}};
    tensor_list l = {0};
    size_t count = params->count + EXTRA;
    caface_status st;

    snprintf(conf, sizeof conf, "_conf%zu", d->K);
    snprintf(decoder, sizeof decoder, "catv9_g%zu%s%s", d->M, d->K == 1 ? "" : conf,
             d->L == 2 ? "_small" : "");
    members[0] = text_value(version);
    members[1] = text_value(decoder);
    members[2] = (cafi_value){.kind = CAFI_DICT, .u.list = {&heads, heads_key, 1}};
    members[3] = cafi_origin_value(&room, trained_on);
    dict.u.list.count += members[3].u.list.count > 0;
    if (!(st = CAFI_NEW(&l.tensors, count, err)) && !(st = CAFI_NEW(&l.order, count, err)) &&
        !(st = CAFI_NEW(&l.names, count, err))) {
        add_all(&l, params, weights, buffers);
        st = cafi_safetensors_save(path, l.order, l.count, &dict, err);
    }
    free(l.tensors);
    free(l.order);
    free(l.names);
    return st;
}

static const cafi_tensor *find(const cafi_bundle *b, const char *name)
{
    char text[192];

    snprintf(text, sizeof text, CAFI_CLUSTER_PREFIX "%s", name);
    return cafi_bundle_find(b, text);
}

static caface_status extent(const cafi_bundle *b, const char *name, int ndim, int axis, size_t *out,
                            caface_error *err)
{
    const cafi_tensor *t = find(b, name);

    if (!t || t->ndim != ndim)
        return cafi_fail(err, CAFACE_EMODEL, "%s: no " CAFI_CLUSTER_PREFIX "%s of %d dimensions",
                         cafi_bundle_path(b), name, ndim);
    *out = t->shape[axis];
    return CAFACE_OK;
}

static caface_status bundle_dims(cafi_train_dims *out, const cafi_bundle *b, caface_error *err)
{
    size_t S = 0;
    size_t M = 0;
    size_t L = 0;
    size_t K = 0;
    size_t C = 0;
    char name[96];
    const cafi_tensor *centre = cafi_bundle_find(b, "center.weight");
    caface_status st;

    do
        snprintf(name, sizeof name, "fusion_net.clustering_layer.blocks.%zu.norm1.weight", L++);
    while (find(b, name) && L <= CAFI_TRAIN_MAX_BLOCKS);
    L--;
    snprintf(name, sizeof name, "fusion_net.conf_mlp.%zu.fc2.weight", L);
    if ((st = extent(b, "style_maker.cfc", 2, 0, &S, err)) ||
        (st = extent(b, "fusion_net.clustering_layer.group_token", 3, 1, &M, err)) ||
        (st = extent(b, name, 2, 0, &K, err)))
        return st;
    C = K > 1 ? K : centre && centre->ndim == 2 ? centre->shape[1] : 512;
    st = cafi_train_dims_make(out, C, S, M, L, K, err);
    return st ? cafi_prefix(err, st, cafi_bundle_path(b)) : st;
}

caface_status cafi_model_file_dims(cafi_train_dims *out, const char *path, caface_error *err)
{
    cafi_bundle *b = NULL;
    caface_status st = cafi_bundle_open(&b, path, err);

    if (!st)
        st = bundle_dims(out, b, err);
    cafi_bundle_close(b);
    return st;
}

static caface_status load(const cafi_bundle *b, const char *name, int ndim, const size_t *shape,
                          float *to, caface_error *err)
{
    const cafi_tensor *t = find(b, name);
    char have[96];
    char want[96];

    if (!t)
        return cafi_fail(err, CAFACE_EMODEL, "%s: no " CAFI_CLUSTER_PREFIX "%s in it",
                         cafi_bundle_path(b), name);
    /* a scalar may be stored as [1] */
    if (!cafi_tensor_has_shape(t, ndim, shape) && !(ndim == 0 && cafi_tensor_count(t) == 1))
        return cafi_fail(
            err, CAFACE_EMODEL, "%s: " CAFI_CLUSTER_PREFIX "%s: file has %s, training needs %s",
            cafi_bundle_path(b), name, cafi_shape_text(have, sizeof have, t->ndim, t->shape),
            cafi_shape_text(want, sizeof want, ndim, shape));
    cafi_tensor_read_f32(t, 0, cafi_tensor_count(t), to);
    return CAFACE_OK;
}

static caface_status load_buffers(const cafi_bundle *b, const cafi_train_dims *d, cafi_buffers *to,
                                  caface_error *err)
{
    size_t one[] = {1};
    size_t E[] = {d->E};
    size_t pe[] = {CAFI_PE_ROWS, d->P};
    const cafi_tensor *batches = find(b, "style_maker.bn.num_batches_tracked");
    caface_status st;

    if ((st = load(b, "style_maker.bn.running_mean", 1, E, to->sim_mean, err)) ||
        (st = load(b, "style_maker.bn.running_var", 1, E, to->sim_var, err)) ||
        (st = load(b, "norm_emb.norm_bn.running_mean", 1, one, &to->norm_mean, err)) ||
        (st = load(b, "norm_emb.norm_bn.running_var", 1, one, &to->norm_var, err)) ||
        (st = load(b, "norm_emb.pe", 2, pe, to->pe, err)))
        return st;
    if (batches && cafi_tensor_count(batches) == 1)
        st = cafi_tensor_read_i64(batches, 0, 1, &to->sim_batches, err);
    batches = find(b, "norm_emb.norm_bn.num_batches_tracked");
    if (!st && batches && cafi_tensor_count(batches) == 1)
        st = cafi_tensor_read_i64(batches, 0, 1, &to->norm_batches, err);
    return st;
}

caface_status cafi_model_file_load(const char *path, const cafi_params *params, float *weights,
                                   cafi_buffers *buffers, caface_error *err)
{
    cafi_bundle *b = NULL;
    caface_status st = cafi_bundle_open(&b, path, err);

    if (!st)
        memset(weights, 0, params->total * sizeof *weights);
    for (size_t i = 0; i < params->count && !st; i++) {
        const cafi_param *p = &params->items[i];

        st = load(b, p->name, p->ndim, p->shape, weights + p->offset, err);
    }
    if (!st)
        st = load_buffers(b, &params->dims, buffers, err);
    cafi_bundle_close(b);
    return st;
}
