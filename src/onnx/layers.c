/* Convolutions, matrix products, normalisation, pooling. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "onnx/build.h"

enum { MAX_WINDOW = 4096 };
/* Multiplications of two constant matrices. */
#define MAX_PRODUCT ((size_t)1 << 28)

/* Two numbers of an attribute such as strides, `missing` where it has none. */
static caface_status pair(const cafi_onnx_node *n, const char *name, int64_t missing, int64_t *out,
                          caface_error *err)
{
    const int64_t *list = NULL;
    size_t count = 0;
    caface_status st = cafi_onnx_ints(n, name, &list, &count, err);

    if (st)
        return st;
    if (list && count != 2)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "%s has %zu numbers; 2-d windows have 2",
                              name, count);
    for (int i = 0; i < 2; i++) {
        out[i] = list ? list[i] : missing;
        if (out[i] < 1 || out[i] > MAX_WINDOW)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%s %lld; 1 to %d are possible", name,
                                  (long long)out[i], MAX_WINDOW);
    }
    return CAFACE_OK;
}

/* Padding as the file says it: pads, or auto_pad from the sizes. */
static caface_status padding(const cafi_onnx_node *n, const int64_t *size, cafi_window *w,
                             caface_error *err)
{
    const int64_t *pads = NULL;
    size_t count = 0;
    const char *mode = NULL;
    caface_status st = cafi_onnx_ints(n, "pads", &pads, &count, err);

    if (st || (st = cafi_onnx_text(n, "auto_pad", "NOTSET", &mode, err)))
        return st;
    if (pads && count != 4)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "pads has %zu numbers; 2-d windows have 4", count);
    for (int i = 0; pads && i < 4; i++) {
        w->pad[i] = pads[i];
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

static caface_status conv_window(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                                 const cafi_tensor *weight, cafi_window *w, caface_error *err)
{
    cafi_shape shape = cafi_onnx_shape(b, x);
    int64_t kernel[2] = {0};
    char text[160];
    caface_status st = CAFACE_OK;

    if (weight->ndim != 4 || !cafi_tensor_count(weight) || weight->shape[2] > MAX_WINDOW ||
        weight->shape[3] > MAX_WINDOW)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "a weight of shape %s; 2-d convolutions "
                              "are supported",
                              cafi_shape_text(text, sizeof text, weight->ndim, weight->shape));
    w->kernel[0] = (int64_t)weight->shape[2];
    w->kernel[1] = (int64_t)weight->shape[3];
    if (cafi_onnx_find(n, "kernel_shape")) {
        if ((st = pair(n, "kernel_shape", 1, kernel, err)))
            return st;
        if (kernel[0] != w->kernel[0] || kernel[1] != w->kernel[1])
            return cafi_onnx_fail(n, err, CAFACE_EMODEL, "kernel_shape %lldx%lld, weight %s",
                                  (long long)kernel[0], (long long)kernel[1],
                                  cafi_shape_text(text, sizeof text, 4, weight->shape));
    }
    if ((st = pair(n, "strides", 1, w->stride, err)) ||
        (st = pair(n, "dilations", 1, w->dilation, err)) ||
        (st = cafi_onnx_int(n, "group", 1, &w->groups, err)))
        return st;
    if (w->groups < 1 || w->groups > shape.dim[1])
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "%lld groups of %lld channels",
                              (long long)w->groups, (long long)shape.dim[1]);
    return padding(n, &shape.dim[2], w, err);
}

static caface_status do_conv(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    const cafi_tensor *weight = NULL;
    const cafi_tensor *bias = NULL;
    size_t wn = 0;
    size_t bn = CAFI_NO_NODE;
    size_t out = 0;
    cafi_window w = {0};
    caface_status st = cafi_onnx_need_rank(b, n, x, 4, err);

    if (st || (st = cafi_onnx_const_in(b, n, 1, &weight, err)) ||
        (st = cafi_onnx_const_in(b, n, 2, &bias, err)) ||
        (st = conv_window(b, n, x, weight, &w, err)) ||
        (st = cafi_onnx_constant_node(b, weight, &wn, err)) ||
        (bias && (st = cafi_onnx_constant_node(b, bias, &bn, err))) ||
        (st = cafi_graph_conv(b->graph, n->name, x->node, wn, bn, &w, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, 0, err);
}

/* factor * t, as a scalar product of constants. */
static caface_status scale(cafi_onnx_build *b, const cafi_tensor **t, float factor,
                           caface_error *err)
{
    cafi_tensor *one = NULL;
    void *data = NULL;
    caface_status st = CAFACE_OK;

    if (factor == 1.0f)
        return CAFACE_OK;
    if ((st = cafi_fold_new(b->file, CAFI_F32, 0, NULL, &one, &data, err)))
        return st;
    *(float *)data = factor;
    return cafi_fold_elementwise(b->file, CAFI_FOLD_MUL, *t, one, t, err);
}

/* x [B][K] times a constant, plus a constant that broadcasts over [B][J]. */
static caface_status add_gemm(cafi_onnx_build *b, const cafi_onnx_node *n, const cafi_slot *x,
                              const cafi_tensor *weight, const cafi_tensor *bias, size_t *out,
                              caface_error *err)
{
    size_t wn = 0;
    size_t bn = CAFI_NO_NODE;
    size_t J = weight->shape[0];
    caface_status st = CAFACE_OK;

    if (bias) {
        size_t row[2] = {1, J};

        if ((st = cafi_fold_expand(b->file, bias, 2, row, &bias, err)) ||
            (st = cafi_fold_reshape(b->file, bias, 1, &J, &bias, err)) ||
            (st = cafi_onnx_constant_node(b, bias, &bn, err)))
            return st;
    }
    if ((st = cafi_onnx_constant_node(b, weight, &wn, err)))
        return st;
    return cafi_graph_gemm(b->graph, n->name, x->node, wn, bn, out, err);
}

static caface_status do_gemm(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    static const int turn[2] = {1, 0};
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    const cafi_tensor *weight = NULL;
    const cafi_tensor *bias = NULL;
    float alpha = 1;
    float beta = 1;
    int64_t ta = 0;
    int64_t tb = 0;
    size_t out = 0;
    caface_status st = cafi_onnx_need_rank(b, n, x, 2, err);

    if (st || (st = cafi_onnx_const_in(b, n, 1, &weight, err)) ||
        (st = cafi_onnx_const_in(b, n, 2, &bias, err)) ||
        (st = cafi_onnx_float(n, "alpha", 1, &alpha, err)) ||
        (st = cafi_onnx_float(n, "beta", 1, &beta, err)) ||
        (st = cafi_onnx_int(n, "transA", 0, &ta, err)) ||
        (st = cafi_onnx_int(n, "transB", 0, &tb, err)))
        return st;
    if (ta)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "transA would mix the batch");
    if (weight->ndim != 2 || !cafi_tensor_count(weight))
        return cafi_onnx_fail(n, err, CAFACE_EMODEL, "a weight of %d dimensions, not 2",
                              weight->ndim);
    if ((st = scale(b, &weight, alpha, err)) || (bias && (st = scale(b, &bias, beta, err))) ||
        (!tb && (st = cafi_fold_transpose(b->file, weight, turn, &weight, err))) ||
        (st = add_gemm(b, n, x, weight, bias, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, 0, err);
}

static caface_status do_matmul(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    static const int turn[2] = {1, 0};
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    cafi_slot *y = cafi_onnx_in(b, n, 1);
    cafi_shape shape = cafi_onnx_shape(b, x);
    cafi_node node = {.op = CAFI_OP_MATMUL, .input_count = 2};
    size_t out = 0;
    caface_status st = CAFACE_OK;

    if (x->kind == CAFI_SLOT_CONSTANT && x->constant->ndim == 2 && y->batch == 0 &&
        cafi_onnx_shape(b, y).ndim >= 3) {
        node.inputs[1] = y->node;
        if ((st = cafi_onnx_constant_node(b, x->constant, &node.inputs[0], err)) ||
            (st = cafi_onnx_add(b, n, &node, &out, err)))
            return st;
        return cafi_onnx_set_data(b, n, 0, out, 0, err);
    }
    if (x->kind != CAFI_SLOT_DATA || x->batch != 0)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "its left side must hold the batch first");
    if (y->kind == CAFI_SLOT_CONSTANT && shape.ndim == 2 && y->constant->ndim == 2 &&
        cafi_tensor_count(y->constant)) {
        const cafi_tensor *weight = NULL;

        if ((st = cafi_fold_transpose(b->file, y->constant, turn, &weight, err)) ||
            (st = add_gemm(b, n, x, weight, NULL, &out, err)))
            return st;
        return cafi_onnx_set_data(b, n, 0, out, 0, err);
    }
    if (shape.ndim < 3 || (y->kind == CAFI_SLOT_DATA && y->batch != 0) ||
        (y->kind == CAFI_SLOT_DATA && cafi_onnx_shape(b, y).ndim != shape.ndim) ||
        (y->kind == CAFI_SLOT_CONSTANT && y->constant->ndim != 2))
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "supported are [B,K] by a constant, [B,...,I,K] by a constant [K,J] "
                              "or by [B,...,K,J]");
    node.inputs[0] = x->node;
    node.inputs[1] = y->node;
    if (y->kind == CAFI_SLOT_CONSTANT &&
        (st = cafi_onnx_constant_node(b, y->constant, &node.inputs[1], err)))
        return st;
    if ((st = cafi_onnx_add(b, n, &node, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, 0, err);
}

/* Two constant matrices, multiplied in double. */
static caface_status fold_matmul(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    const cafi_tensor *x = cafi_onnx_in(b, n, 0)->constant;
    const cafi_tensor *y = cafi_onnx_in(b, n, 1)->constant;
    size_t shape[2] = {x->shape[0], y->shape[1]};
    size_t K = x->shape[1];
    size_t work = 0;
    cafi_tensor *out = NULL;
    void *data = NULL;
    float *vx = NULL;
    float *vy = NULL;
    caface_status st = CAFACE_OK;

    if (x->ndim != 2 || y->ndim != 2 || y->shape[0] != K)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "constants that are not two matrices");
    if (!cafi_mul_size(shape[0], shape[1], &work) || !cafi_mul_size(work, K, &work) ||
        work > MAX_PRODUCT)
        return cafi_onnx_fail(n, err, CAFACE_ELIMIT, "constants too large to multiply");
    st = cafi_fold_new(b->file, CAFI_F32, 2, shape, &out, &data, err);
    if (st || (st = cafi_alloc_f32(&vx, shape[0], K, err)) ||
        (st = cafi_alloc_f32(&vy, K, shape[1], err))) {
        free(vx);
        return st;
    }
    cafi_tensor_read_f32(x, 0, cafi_tensor_count(x), vx);
    cafi_tensor_read_f32(y, 0, cafi_tensor_count(y), vy);
    for (size_t i = 0; i < shape[0]; i++)
        for (size_t j = 0; j < shape[1]; j++) {
            double sum = 0;

            for (size_t k = 0; k < K; k++)
                sum += (double)vx[i * K + k] * (double)vy[k * shape[1] + j];
            ((float *)data)[i * shape[1] + j] = (float)sum;
        }
    free(vx);
    free(vy);
    return cafi_onnx_set_constant(b, n, 0, out, err);
}

static caface_status do_batchnorm(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    const cafi_tensor *t[4] = {NULL};
    int64_t C = cafi_onnx_shape(b, x).dim[1];
    int64_t training = 0;
    float eps = 0;
    size_t out = 0;
    caface_status st = CAFACE_OK;

    if (x->kind != CAFI_SLOT_DATA || x->batch != 0 || cafi_onnx_shape(b, x).ndim < 2)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED, "its input is not [B,C,...]");
    for (size_t i = 0; i < 4; i++) {
        if ((st = cafi_onnx_const_in(b, n, 1 + i, &t[i], err)))
            return st;
        if (!t[i] || t[i]->ndim != 1 || t[i]->shape[0] != (size_t)C)
            return cafi_onnx_fail(n, err, CAFACE_EMODEL,
                                  "input %zu has %zu elements, the data has "
                                  "%lld channels",
                                  1 + i, t[i] ? cafi_tensor_count(t[i]) : 0, (long long)C);
    }
    if ((st = cafi_onnx_float(n, "epsilon", 1e-5f, &eps, err)) ||
        (st = cafi_onnx_int(n, "training_mode", 0, &training, err)))
        return st;
    if (training)
        return cafi_onnx_fail(n, err, CAFACE_EUNSUPPORTED,
                              "it is in training mode; export the "
                              "model in evaluation mode");
    if ((st = cafi_graph_batchnorm(b->graph, n->name, x->node, t[0], t[1], t[2], t[3], (double)eps,
                                   &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, 0, err);
}

static caface_status do_pool(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    bool max = strcmp(n->op, "MaxPool") == 0;
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    cafi_node node = {.op = max ? CAFI_OP_MAXPOOL : CAFI_OP_AVGPOOL, .input_count = 1};
    cafi_shape shape = cafi_onnx_shape(b, x);
    int64_t ceil_mode = 0;
    int64_t count_pad = 0;
    size_t out = 0;
    caface_status st = cafi_onnx_need_rank(b, n, x, 4, err);

    if (st)
        return st;
    if (!cafi_onnx_find(n, "kernel_shape"))
        return cafi_onnx_fail(n, err, CAFACE_EFORMAT, "kernel_shape is missing");
    if ((st = pair(n, "kernel_shape", 1, node.window.kernel, err)) ||
        (st = pair(n, "strides", 1, node.window.stride, err)) ||
        (st = pair(n, "dilations", 1, node.window.dilation, err)) ||
        (st = padding(n, &shape.dim[2], &node.window, err)) ||
        (st = cafi_onnx_int(n, "ceil_mode", 0, &ceil_mode, err)) ||
        (st = cafi_onnx_int(n, "count_include_pad", 0, &count_pad, err)))
        return st;
    node.window.ceil_mode = ceil_mode != 0;
    node.window.count_pad = count_pad != 0;
    node.inputs[0] = x->node;
    if ((st = cafi_onnx_add(b, n, &node, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, 0, err);
}

static caface_status do_global_pool(cafi_onnx_build *b, const cafi_onnx_node *n, caface_error *err)
{
    cafi_slot *x = cafi_onnx_in(b, n, 0);
    cafi_node node = {.op = strcmp(n->op, "GlobalMaxPool") == 0 ? CAFI_OP_REDUCE_MAX
                                                                : CAFI_OP_REDUCE_MEAN,
                      .input_count = 1,
                      .axes = 0xc,
                      .keep_dims = true};
    size_t out = 0;
    caface_status st = cafi_onnx_need_rank(b, n, x, 4, err);

    node.inputs[0] = x->node;
    if (st || (st = cafi_onnx_add(b, n, &node, &out, err)))
        return st;
    return cafi_onnx_set_data(b, n, 0, out, 0, err);
}

const cafi_onnx_entry cafi_onnx_layers[] = {
    {"Conv", 2, 3, do_conv, NULL},
    {"Gemm", 2, 3, do_gemm, NULL},
    {"MatMul", 2, 2, do_matmul, fold_matmul},
    {"BatchNormalization", 5, 5, do_batchnorm, NULL},
    {"MaxPool", 1, 1, do_pool, NULL},
    {"AveragePool", 1, 1, do_pool, NULL},
    {"GlobalAveragePool", 1, 1, do_global_pool, NULL},
    {"GlobalMaxPool", 1, 1, do_global_pool, NULL},
    {NULL, 0, 0, NULL, NULL},
};
