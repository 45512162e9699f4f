/* Convolutions, normalisation, pooling. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "onnx/build.h"

enum { MAX_WINDOW = 4096 };

/* Windows over lines, [N,C,L], are windows over maps of one row, [N,C,1,L]: the
 * first of two numbers is then that of a row on its own. */

/* Two numbers of an attribute such as strides, `missing` where it has none. */
static caface_status pair(const cafi_onnx_node *n, const char *name, bool flat, int64_t missing,
                          int64_t *out, caface_error *err)
{
    const int64_t *list = NULL;
    size_t count = 0;
    caface_status st = cafi_onnx_ints(n, name, &list, &count, err);

    if (st)
        return st;
    if (list && count != (flat ? 1 : 2))
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "%s has %zu numbers; %d-d windows have %d", name, count, flat ? 1 : 2,
                              flat ? 1 : 2);
    for (int i = 0; i < 2; i++) {
        out[i] = flat && i == 0 ? 1 : list ? list[flat ? 0 : i] : missing;
        if (out[i] < 1 || out[i] > MAX_WINDOW)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%s %lld; 1 to %d are possible", name,
                                  (long long)out[i], MAX_WINDOW);
    }
    return CAFACE_OK;
}

/* Padding as the file says it: pads, or auto_pad from the sizes. */
static caface_status padding(const cafi_onnx_node *n, bool flat, const int64_t *size,
                             cafi_window *w, caface_error *err)
{
    const int64_t *pads = NULL;
    size_t count = 0;
    const char *mode = NULL;
    caface_status st = cafi_onnx_ints(n, "pads", &pads, &count, err);

    if (st || (st = cafi_onnx_text(n, "auto_pad", "NOTSET", &mode, err)))
        return st;
    if (pads && count != (flat ? 2 : 4))
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "pads has %zu numbers; %d-d windows have %d", count, flat ? 1 : 2,
                              flat ? 2 : 4);
    for (size_t i = 0; pads && i < count; i++) {
        w->pad[flat ? 2 * i + 1 : i] = pads[i];
        if (pads[i] < 0 || pads[i] > MAX_WINDOW)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "pads %lld; 0 to %d are possible",
                                  (long long)pads[i], MAX_WINDOW);
    }
    if (strcmp(mode, "NOTSET") == 0 || !*mode)
        return CAFACE_OK;
    memset(w->pad, 0, sizeof w->pad);
    if (strcmp(mode, "VALID") == 0)
        return CAFACE_OK;
    if (strcmp(mode, "SAME_UPPER") != 0 && strcmp(mode, "SAME_LOWER") != 0)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "auto_pad %s", mode);
    for (int i = 0; i < 2; i++) {
        int64_t out = (size[i] + w->stride[i] - 1) / w->stride[i];
        int64_t reach = (out - 1) * w->stride[i] + (w->kernel[i] - 1) * w->dilation[i] + 1;
        int64_t all = reach > size[i] ? reach - size[i] : 0;
        int64_t less = all / 2;

        w->pad[i] = strcmp(mode, "SAME_UPPER") == 0 ? less : all - less;
        w->pad[2 + i] = all - w->pad[i];
    }
    return CAFACE_OK;
}

/* A line of values, [N,C,L], as a map; *flat: it was one. */
static caface_status as_map(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *x, bool *flat,
                            caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, x);
    caface_status st = CAFACE_OK;

    *flat = shape.ndim == 3;
    if ((st = cafi_onnx_need_rank(b, n, x, *flat ? 3 : 4, err)) || !*flat)
        return st;
    return cafi_onnx_reshape(b, n, x,
                             &(cafi_shape){4, {shape.dim[0], shape.dim[1], 1, shape.dim[2]}}, err);
}

/* Output 0, [N,C,H,W], less the row of a line. */
static caface_status set_map(cafi_onnx_build *b, const cafi_onnx_node *n, size_t node, bool flat,
                             caface_error *err)
{
    cafi_slot y = {.kind = CAFI_SLOT_DATA, .node = node, .place = CAFI_FIRST};
    cafi_shape shape = cafi_onnx_shape(b, &y);
    caface_status st = CAFACE_OK;

    if (flat)
        st = cafi_onnx_reshape(b, n, &y,
                               &(cafi_shape){3, {shape.dim[0], shape.dim[1], shape.dim[3]}}, err);
    return st ? st : cafi_onnx_set_slot(b, n, 0, &y, err);
}

static caface_status conv_window(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                                 const cafi_tensor *weight, bool flat, cafi_window *w,
                                 caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, x);
    int64_t kernel[2] = {0};
    char text[160];
    caface_status st = CAFACE_OK;

    if (weight->ndim != 4 || !cafi_tensor_count(weight) || weight->shape[2] > MAX_WINDOW ||
        weight->shape[3] > MAX_WINDOW)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "a weight of shape %s; 1-d and 2-d convolutions are supported",
                              cafi_shape_text(text, sizeof text, weight->ndim, weight->shape));
    w->kernel[0] = (int64_t)weight->shape[2];
    w->kernel[1] = (int64_t)weight->shape[3];
    if (cafi_onnx_find(n, "kernel_shape")) {
        if ((st = pair(n, "kernel_shape", flat, 1, kernel, err)))
            return st;
        if (kernel[0] != w->kernel[0] || kernel[1] != w->kernel[1])
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "kernel_shape %lldx%lld, weight %s",
                                  (long long)kernel[0], (long long)kernel[1],
                                  cafi_shape_text(text, sizeof text, 4, weight->shape));
    }
    if ((st = pair(n, "strides", flat, 1, w->stride, err)) ||
        (st = pair(n, "dilations", flat, 1, w->dilation, err)) ||
        (st = cafi_onnx_int(n, "group", 1, &w->groups, err)))
        return st;
    if (w->groups < 1 || w->groups > shape.dim[1])
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%lld groups of %lld channels",
                              (long long)w->groups, (long long)shape.dim[1]);
    return padding(n, flat, &shape.dim[2], w, err);
}

static caface_status do_conv(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot x = *cafi_onnx_in(b, n, 0);
    const cafi_tensor *weight = NULL;
    const cafi_tensor *bias = NULL;
    size_t wn = 0;
    size_t bn = CAFI_NO_NODE;
    size_t out = 0;
    bool flat = false;
    cafi_window w = {0};
    caface_status st = as_map(b, n, &x, &flat, err);

    if (st || (st = cafi_onnx_const_in(b, n, 1, &weight, err)) ||
        (st = cafi_onnx_const_in(b, n, 2, &bias, err)))
        return st;
    if (flat && weight->ndim == 3) {
        size_t shape[4] = {weight->shape[0], weight->shape[1], 1, weight->shape[2]};

        if ((st = cafi_fold_reshape(b->file, weight, 4, shape, &weight, err)))
            return st;
    }
    if ((st = conv_window(b, n, &x, weight, flat, &w, err)) ||
        (st = cafi_onnx_constant_node(b, weight, &wn, err)) ||
        (bias && (st = cafi_onnx_constant_node(b, bias, &bn, err))) ||
        (st = cafi_graph_conv(b->graph, n->name, x.node, wn, bn, &w, &out, err)))
        return st;
    return set_map(b, n, out, flat, err);
}

/* A constant [C] beside data whose second axis are the channels: [C,1,...]. */
static caface_status beside_channels(cafi_onnx_build *b, const cafi_onnx_node *n,
                                     const cafi_slot *x, const cafi_tensor *t, size_t *out,
                                     caface_error *err)
{
    int rank = cafi_onnx_shape(b, x).ndim;
    size_t shape[CAFI_MAX_DIMS] = {t->shape[0]};
    caface_status st = CAFACE_OK;

    for (int i = 1; i < rank - 1; i++)
        shape[i] = 1;
    if ((st = cafi_fold_reshape(b->file, t, rank - 1, shape, &t, err)))
        return st;
    return cafi_onnx_beside(b, n, t, rank, x->place, out, err);
}

/* scale = gamma / sqrt(var + eps), shift = beta - mean scale, as constants. t: gamma, beta,
 * mean, variance. */
static caface_status scale_and_shift(cafi_onnx_build *b, const cafi_tensor *const *t, float eps,
                                     const cafi_tensor **out, caface_error *err)
{
    size_t C = t[0]->shape[0];
    float *values[2] = {NULL};
    caface_status st = CAFACE_OK;

    for (int i = 0; i < 2; i++) {
        cafi_tensor *made = NULL;
        void *data = NULL;

        if ((st = cafi_fold_new(b->file, CAFI_F32, 1, &C, &made, &data, err)))
            return st;
        values[i] = data;
        out[i] = made;
    }
    for (size_t c = 0; c < C; c++) {
        double v[4];

        for (int i = 0; i < 4; i++)
            cafi_tensor_read_f64(t[i], c, 1, &v[i]);
        v[0] /= sqrt(v[3] + (double)eps);
        values[0][c] = (float)v[0];
        values[1][c] = (float)(v[1] - v[2] * v[0]);
    }
    return CAFACE_OK;
}

/* Where the batch is not first and alone: LeViT's tokens are [batch * tokens, C]. */
static caface_status batchnorm_anywhere(cafi_onnx_build *b, const cafi_onnx_node *n, cafi_slot *x,
                                        const cafi_tensor *const *t, float eps, caface_error *err)
{
    const cafi_tensor *both[2] = {NULL};
    size_t nodes[2] = {0};
    size_t out = 0;
    caface_status st = cafi_onnx_keep_out(b, n, x, 2u, err);

    if (st || (st = scale_and_shift(b, t, eps, both, err)))
        return st;
    for (int i = 0; i < 2; i++)
        if ((st = beside_channels(b, n, x, both[i], &nodes[i], err)))
            return st;
    if ((st = cafi_onnx_binary(b, n, CAFI_OP_MUL, x->node, nodes[0], &out, err)) ||
        (st = cafi_onnx_binary(b, n, CAFI_OP_ADD, out, nodes[1], &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, x->place, err);
}

static caface_status do_batchnorm(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot x = *cafi_onnx_in(b, n, 0);
    cafi_shape shape = cafi_onnx_shape(b, &x);
    const cafi_tensor *t[4] = {NULL};
    float eps = 0;
    int64_t training = 0;
    size_t out = 0;
    caface_status st = CAFACE_OK;

    if (x.kind != CAFI_SLOT_DATA || shape.ndim < 2)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "its input is not [B,C,...]");
    for (size_t i = 0; i < 4; i++) {
        if ((st = cafi_onnx_const_in(b, n, 1 + i, &t[i], err)))
            return st;
        if (!t[i] || t[i]->ndim != 1 || (int64_t)t[i]->shape[0] != shape.dim[1])
            return cafi_onnx_fail(n, err, CAFACE_EMODEL,
                                  "input %zu has %zu elements, the data has "
                                  "%lld channels",
                                  1 + i, t[i] ? cafi_tensor_count(t[i]) : 0,
                                  (long long)shape.dim[1]);
    }
    if ((st = cafi_onnx_float(n, "epsilon", 1e-5f, &eps, err)) ||
        (st = cafi_onnx_int(n, "training_mode", 0, &training, err)))
        return st;
    if (training)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "it is in training mode; export the "
                              "model in evaluation mode");
    if (cafi_onnx_need_rank(b, n, &x, shape.ndim, NULL))
        return batchnorm_anywhere(b, n, &x, t, eps, err);
    if ((st = cafi_graph_batchnorm(b->graph, n->name, x.node, t[0], t[1], t[2], t[3], (double)eps,
                                   &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, CAFI_FIRST, err);
}

static caface_status do_pool(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    bool max = strcmp(n->op, "MaxPool") == 0;
    cafi_slot x = *cafi_onnx_in(b, n, 0);
    cafi_node node = {.op = max ? CAFI_OP_MAXPOOL : CAFI_OP_AVGPOOL, .input_count = 1};
    cafi_shape shape = {0};
    int64_t ceil_mode = 0;
    int64_t count_pad = 0;
    size_t out = 0;
    bool flat = false;
    caface_status st = as_map(b, n, &x, &flat, err);

    if (st)
        return st;
    shape = cafi_onnx_shape(b, &x);
    if (!cafi_onnx_find(n, "kernel_shape"))
        return cafi_onnx_fail(n, err, CAFACE_EFORMAT, "kernel_shape is missing");
    if ((st = pair(n, "kernel_shape", flat, 1, node.window.kernel, err)) ||
        (st = pair(n, "strides", flat, 1, node.window.stride, err)) ||
        (st = pair(n, "dilations", flat, 1, node.window.dilation, err)) ||
        (st = padding(n, flat, &shape.dim[2], &node.window, err)) ||
        (st = cafi_onnx_int(n, "ceil_mode", 0, &ceil_mode, err)) ||
        (st = cafi_onnx_int(n, "count_include_pad", 0, &count_pad, err)))
        return st;
    node.window.ceil_mode = ceil_mode != 0;
    node.window.count_pad = count_pad != 0;
    node.inputs[0] = x.node;
    if ((st = cafi_onnx_add(b, n, &node, &out, err)))
        return st;
    return set_map(b, n, out, flat, err);
}

static caface_status do_global_pool(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot x = *cafi_onnx_in(b, n, 0);
    int rank = cafi_onnx_shape(b, &x).ndim;
    cafi_node node = {.op = strcmp(n->op, "GlobalMaxPool") == 0 ? CAFI_OP_REDUCE_MAX
                                                                : CAFI_OP_REDUCE_MEAN,
                      .input_count = 1,
                      .axes = rank == 3 ? 0x4 : 0xc,
                      .keep_dims = true};
    size_t out = 0;
    caface_status st = cafi_onnx_need_rank(b, n, &x, rank == 3 ? 3 : 4, err);

    node.inputs[0] = x.node;
    if (st || (st = cafi_onnx_add(b, n, &node, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, CAFI_FIRST, err);
}

const cafi_onnx_entry cafi_onnx_layers[] = {
    {"Conv", 2, 3, do_conv, NULL},
    {"BatchNormalization", 5, 5, do_batchnorm, NULL},
    {"MaxPool", 1, 1, do_pool, NULL},
    {"AveragePool", 1, 1, do_pool, NULL},
    {"GlobalAveragePool", 1, 1, do_global_pool, NULL},
    {"GlobalMaxPool", 1, 1, do_global_pool, NULL},
    {NULL, 0, 0, NULL, NULL},
};
